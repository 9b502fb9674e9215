"""Verifies a prepared folder; the exit status is 0 if nothing is wrong with it."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("check")
