"""Tunes other recommenders and scores them, all by the same protocol."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("baselines")
