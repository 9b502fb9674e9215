"""Turns raw reviews into a prepared folder, which training and evaluation read."""

from symcere_jax.cli.commands.data.prepare import run

if __name__ == "__main__":
    run()
