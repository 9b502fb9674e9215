"""Semantic anchoring: does the similarity of reviews and items rest on facts or on sentiment?"""

from symcere_jax.cli.main import run

if __name__ == "__main__":
    run("anchoring")
