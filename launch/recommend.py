"""Recommends with a trained model: to some users, to all, or to somebody new."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("recommend")
