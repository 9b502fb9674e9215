"""What is minimized: the embeddings of a step, its micro-batches, and the terms of the loss."""

from symcere_jax.training.objective.objective import Objective

__all__ = ["Objective"]
