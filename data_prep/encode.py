"""Adds text features to a prepared folder."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("encode")
