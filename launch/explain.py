"""Explains by words and neighbors: why a review fits its item, why an item is recommended."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("explain")
