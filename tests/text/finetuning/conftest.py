import pytest

from tests.text.finetuning.small import prepare_reviews
from tests.text.language_models.models import make_model, write_sentence_settings


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    """A prepared folder of words that the model knows; not to be changed."""
    return prepare_reviews(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """Folder of a small random BERT, and the torch model; not to be changed."""
    folder = tmp_path_factory.mktemp("bert")
    model = make_model(folder, "bert")
    write_sentence_settings(folder, {"pooling_mode_mean_tokens": True}, max_seq_length=40)
    return folder, model
