"""Compares scored runs on one data set: which is better, by how much, for whom?"""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("compare")
