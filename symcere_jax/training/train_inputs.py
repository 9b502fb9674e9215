"""What training steps read: inputs of the model, interactions, histories, review texts."""

import flax.struct
import jax

from symcere_jax.data import Histories, ReviewDataset
from symcere_jax.models import ModelInputs
from symcere_jax.settings import NONE, ResolvedSettings
from symcere_jax.training.mapped_reviews import MappedReviews

MAX_HISTORY = 1024  # items of a user that are read at once


@flax.struct.dataclass
class TrainInputs:
    """What a training step reads besides the state, the same at every step.

    Attributes:
        model: inputs of the model.
        interactions: int32 `[n, 2]`, the positives: training pairs (user, item).
        history: all training items of each user, including those rated below `min_rating`.
        review_text: float16 `[n, width]`, text features of the review of each interaction, rows of
            norm 1 or 0; read for each batch where they are large; None where no loss reads them.
    """

    model: ModelInputs
    interactions: jax.Array
    history: Histories
    review_text: jax.Array | MappedReviews | None = None

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset, settings: ResolvedSettings) -> "TrainInputs":
        """Collects the training data of a prepared folder."""
        positive = dataset.is_positive(settings.min_rating)
        review_text: jax.Array | MappedReviews | None = None
        if settings.text_encoder != NONE and settings.exclude_target == "review":
            features = dataset.text_features(settings.text_encoder, "reviews")
            reviews = MappedReviews(features, dataset.review_rows("train")[positive])
            review_text = reviews if reviews.is_large else reviews.load()
        return cls(
            model=ModelInputs.from_dataset(dataset, settings),
            interactions=jax.device_put(dataset.train[positive]),
            history=Histories.from_pairs(dataset.train, dataset.n_users, dataset.n_items),
            review_text=review_text,
        )
