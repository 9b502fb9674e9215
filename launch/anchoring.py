"""Semantic anchoring: does the similarity of reviews and items rest on facts or on sentiment?"""

from symcere_jax.cli.commands.insight.anchoring import run

if __name__ == "__main__":
    run()
