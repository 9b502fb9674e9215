"""Measures popularity bias: what do embedding norms encode, and what is recommended?"""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("bias")
