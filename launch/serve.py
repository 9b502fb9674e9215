"""Serves a trained model over HTTP."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("serve")
