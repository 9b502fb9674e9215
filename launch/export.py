"""Exports a trained model for other programs."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("export")
