"""Trains SymCERE on a prepared folder."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("train")
