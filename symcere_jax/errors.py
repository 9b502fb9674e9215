"""Errors that a user can act on: one clear line that names the cause and the remedy.

The binaries print such an error as a single line and end with a non-zero exit status; any other
exception is a bug and keeps its traceback.
"""

from symcere_jax import hints


class SymcereError(Exception):
    """Base of every error that the user, not the programmer, can fix."""

    def __str__(self) -> str:
        """The message: with flags if a command runs, else with keywords."""
        message = super().__str__()
        return message if hints.in_command else hints.in_python(message)


class ConfigError(SymcereError):
    """A setting is out of range, or contradicts another one."""


class DataError(SymcereError):
    """Input data is missing, malformed or inconsistent; the message names file and row."""


class CheckpointError(SymcereError):
    """A checkpoint is missing, damaged, or belongs to other data or to another format version."""


class BusyError(SymcereError):
    """Another process writes what this one was to write."""


class StorageError(SymcereError):
    """A result cannot be written: the disk is full, or does not let us."""
