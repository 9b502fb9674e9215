"""Which trained model a command uses: a model folder, or a training run and its data."""

from absl import flags

from symcere_jax.errors import ConfigError

_MODEL = flags.DEFINE_string(
    "model", None, "model folder, as `symcere export` writes it; instead of --workdir and --dataset"
)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run")
_DATASET = flags.DEFINE_string("dataset", None, "prepared folder that the model was trained on")


def define_index() -> flags.FlagHolder[str]:
    """Defines --index."""
    return flags.DEFINE_enum(
        "index",
        "exact",
        ("exact", "hnsw"),
        "search for the best items: exact scores all items; hnsw scores those that an approximate "
        "index finds, for very large catalogs (pip install 'symcere-jax[ann]')",
    )


def model_location() -> tuple[str, str | None]:
    """The model folder and None, or the folder of a run and its prepared folder.

    Raises:
        ConfigError: neither or both are given.
    """
    model, workdir, dataset = _MODEL.value, _WORKDIR.value, _DATASET.value
    if model and not (workdir or dataset):
        return model, None
    if workdir and dataset and not model:
        return workdir, dataset
    raise ConfigError("give either --model=MODEL_FOLDER, or both --workdir and --dataset")
