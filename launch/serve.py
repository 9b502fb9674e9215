"""Serves a trained model over HTTP."""

from symcere_jax.cli.commands.model.serve import run

if __name__ == "__main__":
    run()
