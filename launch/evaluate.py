"""Scores a trained model: full ranking of the whole catalog for every user."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("evaluate")
