"""What the tests of explanations share: a trained model."""

from pathlib import Path

import pytest

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.training import TrainedModel, load_model


@pytest.fixture(scope="session")
def trained(trained_run: Path, dataset: ReviewDataset) -> TrainedModel:
    """A model with both towers."""
    return load_model(trained_run, dataset)
