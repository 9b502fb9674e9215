"""Writes a report of one or more runs: a single HTML file that needs no network."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("report")
