"""Turns raw reviews into a prepared folder, which training and evaluation read."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("prepare")
