"""Trains SymCERE on a prepared folder."""

from symcere_jax.cli.commands.model.train import run

if __name__ == "__main__":
    run()
