"""The settings of fine-tuning; each is a flag of `launch/finetune.py`."""

import dataclasses

from symcere_jax.config import check, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """How an encoder is fine-tuned; see the text beside each setting."""

    layers: int = option(2, "layers at the end that are trained; the others stay", minimum=1)
    epochs: int = option(3, "epochs; the one with the best valid score is kept", minimum=1)
    batch_size: int = option(
        64, "reviews a step, over all devices: each is told from the items of the others", minimum=2
    )
    learning_rate: float = option(
        1e-4, "highest of AdamW: after a tenth of the steps, from where it falls to 0", above=0
    )
    temperature: float = option(0.1, "of the contrastive loss", above=0)
    max_length: int = option(
        128, "tokens of a review at once: of a longer one, each epoch reads another part", minimum=8
    )
    seed: int = option(0, "decides the order and the pairs", minimum=0, maximum=2**32 - 1)

    def __post_init__(self) -> None:
        check(self)
