"""Flags that the commands with many runs share."""

from absl import flags

from symcere_jax.cli import field_flags
from symcere_jax.settings import Settings

DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
WORKDIR = flags.DEFINE_string("workdir", None, "folder of all the runs", required=True)
PROCESSES = flags.DEFINE_integer("processes", 1, "runs at a time, each in its own process", 1)
SETTINGS = field_flags.define(Settings)
