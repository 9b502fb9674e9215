"""Searches for the settings that score best on the validation split."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("tune")
