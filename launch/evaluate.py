"""Scores a trained model: full ranking of the whole catalog for every user."""

from symcere_jax.cli.commands.model.evaluate import run

if __name__ == "__main__":
    run()
