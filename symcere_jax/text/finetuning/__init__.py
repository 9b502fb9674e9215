"""Fine-tuning of the last layers of a sentence encoder on the training reviews of a folder."""

from symcere_jax.text.finetuning.config import FinetuneConfig
from symcere_jax.text.finetuning.run import Observer, Result, finetune

__all__ = ["FinetuneConfig", "Observer", "Result", "finetune"]
