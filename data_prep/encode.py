"""Adds text features to a prepared folder."""

from symcere_jax.cli.commands.data.encode import run

if __name__ == "__main__":
    run()
