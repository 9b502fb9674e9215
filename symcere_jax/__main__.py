"""`python -m symcere_jax` is `symcere`."""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run()
