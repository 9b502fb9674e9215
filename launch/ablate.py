"""Trains and scores variants of the model that lack a part, over seeds, and makes a table."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("ablate")
