"""A run of fine-tuning: batches, steps, scores, a state on disk to go on from, the new model."""

import dataclasses
import hashlib
import math
import os
import shutil
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.callbacks import ShouldStop
from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import ConfigError, DataError, StorageError, SymcereError
from symcere_jax.files import write_json
from symcere_jax.locking import locked
from symcere_jax.text.finetuning import progress as storage
from symcere_jax.text.finetuning.config import FinetuneConfig
from symcere_jax.text.finetuning.progress import Progress
from symcere_jax.text.finetuning.retrieval import MEASURE, Retrieval
from symcere_jax.text.finetuning.reviews import Batches, ReviewTexts
from symcere_jax.text.finetuning.step import State, build_optimizer, build_step
from symcere_jax.text.language_models import SentenceEncoder, fingerprint, model_folder
from symcere_jax.text.language_models.checkpoint import Checkpoint, layer_name
from symcere_jax.text.language_models.rewriting import write_changed
from symcere_jax.training.devices import replicate, unreplicate

RECORD = "finetuning.json"


class Observer(Protocol):
    """Is told how the run goes on."""

    def start(self, reviews: int, epochs: int, progress: Progress) -> None:
        """The run starts, or goes on.

        Args:
            reviews: trained on in an epoch.
            epochs: of the whole run.
            progress: how far it has come.
        """

    def step(self, done: int, total: int, loss: float) -> None:
        """A step is done.

        Args:
            done: reviews trained on since the start of the run.
            total: of the whole run.
            loss: of the step.
        """

    def epoch(self, number: int, loss: float | None, score: float, best: bool) -> None:
        """An epoch is done and scored; 0 is the model as it was."""


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        complete: whether the model was written; else the run was told to stop, and can go on.
        epochs: epochs done.
        best_epoch: the one whose parameters are the best; 0: the model as it was.
        scores: valid score of each epoch, from 0.
    """

    complete: bool
    epochs: int
    best_epoch: int
    scores: tuple[float, ...]


class _Silent:
    """Observes nothing."""

    def start(self, reviews: int, epochs: int, progress: Progress) -> None: ...
    def step(self, done: int, total: int, loss: float) -> None: ...
    def epoch(self, number: int, loss: float | None, score: float, best: bool) -> None: ...


def finetune(
    config: FinetuneConfig,
    dataset: ReviewDataset,
    text_model: str,
    output: Path,
    *,
    item_embeddings: np.ndarray | None = None,
    observer: Observer | None = None,
    should_stop: ShouldStop = lambda: False,
) -> Result:
    """Fine-tunes the last layers of a sentence encoder, and writes it as a model of its own.

    The folder `<output>.partial` keeps where the run stands, and is gone at its end.

    Args:
        config: the settings.
        dataset: the prepared folder; its training reviews are learned from, its valid reviews
            choose the epoch, its test reviews are not looked at.
        text_model: folder of the model, or its name on the hub.
        output: folder to write; must not exist.
        item_embeddings: float `[n_items, d]` that reviews are to fit; None: other reviews of the
            same item.
        observer: is told of the progress.
        should_stop: asked between steps; if true, the state is saved and the run ends.

    Raises:
        BusyError: another process writes the output.
        ConfigError: the output exists, or settings do not fit the model or the devices.
        DataError: model or data are missing, malformed, or not enough to learn from.
        CheckpointError: the output holds the beginning of another run.
        StorageError: the disk is full.
        SymcereError: the loss is not finite.
    """
    output = output.absolute()
    partial = output.with_name(f"{output.name}.partial")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        lock = output.with_name(f".{output.name}.lock")
        with locked(lock, f"--output={output}", "choose another --output"):
            if os.path.lexists(output):
                shutil.rmtree(partial, ignore_errors=True)  # a run that was killed at its very end
                raise ConfigError(f"{output} exists; choose another --output")
            run = _Run(config, dataset, text_model, output, partial, item_embeddings)
            return run.train(observer or _Silent(), should_stop)
    except OSError as error:
        if isinstance(error, FileExistsError | NotADirectoryError | PermissionError):
            raise
        reason = error.strerror or f"is the disk full? {error}"
        raise StorageError(f"cannot write {output}: {reason}") from error


class _Run:
    """A run in memory."""

    def __init__(
        self,
        config: FinetuneConfig,
        dataset: ReviewDataset,
        text_model: str,
        output: Path,
        partial: Path,
        item_embeddings: np.ndarray | None,
    ) -> None:
        self.config, self.dataset, self.output, self.partial = config, dataset, output, partial
        self.source = model_folder(text_model)
        if output.is_relative_to(self.source.absolute()):
            raise ConfigError(f"--output={output} is within the model's folder; choose another")
        self.n_devices = jax.local_device_count()
        if config.batch_size % self.n_devices:
            raise ConfigError(
                f"--batch_size={config.batch_size} cannot be shared by {self.n_devices} devices: "
                "give a multiple of their number"
            )
        checkpoint = Checkpoint.open(self.source)
        n_layers = checkpoint.n_layers
        if config.layers > n_layers:
            raise ConfigError(f"--layers={config.layers}, but {self.source} has {n_layers} layers")
        self.checkpoint = dataclasses.replace(
            checkpoint, module=checkpoint.module.clone(n_trained=config.layers)
        )
        self.trained_layers = range(n_layers - config.layers, n_layers)
        train, valid = (ReviewTexts.read(dataset, split) for split in ("train", "valid"))
        self.batches = Batches(
            train,
            self.checkpoint,
            batch_size=config.batch_size,
            max_length=config.max_length,
            seed=config.seed,
            in_pairs=item_embeddings is None,
        )
        if self.batches.n_items < 2:
            wanted = "two training reviews" if item_embeddings is None else "a training review"
            raise DataError(
                f"{dataset.folder} has {self.batches.n_items} items with {wanted} that have text: "
                "there is nothing to tell apart"
            )
        self.retrieval = Retrieval.of(train, valid, dataset.n_items, str(dataset.folder))
        self.item_embeddings = item_embeddings
        self.settings = self._settings(text_model)

    def _settings(self, text_model: str) -> dict[str, Any]:
        """What the run depends on."""
        targets = "other reviews of the item"
        if self.item_embeddings is not None:
            content = np.ascontiguousarray(self.item_embeddings, np.float32).tobytes()
            targets = f"embeddings {hashlib.sha256(content).hexdigest()[:16]}"
        return {
            **dataclasses.asdict(self.config),
            "text_model": text_model,
            "model_fingerprint": fingerprint(self.source),
            "dataset": self.dataset.name,
            "reviews_sha256": self.dataset.manifest.files[schema.REVIEWS]["sha256"],
            "targets": targets,
        }

    def train(self, observer: Observer, should_stop: ShouldStop) -> Result:
        """Trains, from the beginning or from where an earlier run stopped."""
        config, per_epoch = self.config, self.batches.per_epoch
        n_steps = config.epochs * per_epoch
        names = [layer_name(number) for number in self.trained_layers]
        optimizer = build_optimizer(config, n_steps)
        encoder = SentenceEncoder(self.checkpoint)
        trained = {name: self.checkpoint.parameters[name] for name in names}
        state = State(trained, optimizer.init(trained))
        self.best = trained
        self.targets = np.zeros((0, self.checkpoint.width), np.float32)
        if self.item_embeddings is not None:
            self.targets = np.zeros((self.dataset.n_items, self.checkpoint.width), np.float32)
        found = storage.load(self.partial, self.settings, (state, self.best, self.targets))
        if found is None:
            progress = Progress()
        else:
            progress, (state, self.best, self.targets) = found
        observer.start(len(self.batches.rows), config.epochs, progress)
        if found is None:
            item_vectors = self.retrieval.item_vectors(encoder)
            if self.item_embeddings is not None:
                self.targets = map_to_width(self.item_embeddings, item_vectors)
            score = self.retrieval.score(encoder, item_vectors)
            progress = Progress(epochs=({"epoch": 0, "valid": score},))
            observer.epoch(0, None, score, True)
            self._save(progress, state)
        frozen = {k: v for k, v in encoder.parameters.items() if k not in names}
        targets = None if self.item_embeddings is None else replicate(self.targets)
        step = build_step(self.checkpoint, optimizer, config.temperature)
        states = replicate(state)
        while progress.step < n_steps:
            epoch, done = divmod(progress.step, per_epoch)
            for batch in self.batches.epoch(epoch, skip=done):
                if should_stop():
                    self._save(progress, unreplicate(states))
                    return self._result(progress, complete=False)
                states, losses = step(states, frozen, *self._shared(batch), targets)
                loss = float(losses[0])
                if not math.isfinite(loss):
                    raise SymcereError(
                        f"the loss is not finite at step {progress.step}; try again in another "
                        "--output with a lower --learning_rate or a higher --temperature"
                    )
                progress = dataclasses.replace(
                    progress, step=progress.step + 1, loss_sum=progress.loss_sum + loss
                )
                reviews = len(self.batches.rows)
                within = min((done := done + 1) * config.batch_size, reviews)
                observer.step(epoch * reviews + within, config.epochs * reviews, loss)
            state = unreplicate(states)
            progress = self._score(encoder, progress, jax.device_get(state.trained), observer)
            self._save(progress, state)
        self._write(progress)
        return self._result(progress, complete=True)

    def _shared(self, batch: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tokens, lengths and items of a batch, for each device its share."""
        n = self.n_devices
        tokens = np.stack(np.split(batch.tokens, n, axis=1))
        lengths = np.stack(np.split(batch.lengths, n, axis=1))
        return tokens, lengths, batch.item.reshape(n, -1)

    def _score(
        self, encoder: SentenceEncoder, progress: Progress, trained: Any, observer: Observer
    ) -> Progress:
        """Scores an epoch that is done, and keeps it if it is the best so far."""
        encoder.replace_parameters(trained)
        score = self.retrieval.score(encoder, self.retrieval.item_vectors(encoder))
        number, loss = len(progress.epochs), progress.loss_sum / self.batches.per_epoch
        best = score > progress.best_score
        if best:
            self.best = trained
        observer.epoch(number, loss, score, best)
        return dataclasses.replace(
            progress,
            loss_sum=0.0,
            epochs=(*progress.epochs, {"epoch": number, "loss": loss, "valid": score}),
            best_epoch=number if best else progress.best_epoch,
        )

    def _save(self, progress: Progress, state: State) -> None:
        storage.save(self.partial, self.settings, progress, (state, self.best, self.targets))

    def _write(self, progress: Progress) -> None:
        """Writes the model beside the output, and gives it its name when it is whole."""
        folder = self.partial / "model"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        layers = {number: self.best[layer_name(number)] for number in self.trained_layers}
        tensors = write_changed(self.source, folder, layers)
        content = {
            "settings": self.settings,
            "measure": MEASURE,
            "epochs": progress.epochs,
            "best_epoch": progress.best_epoch,
            "trained_tensors": tensors,
        }
        write_json(folder / RECORD, content)
        folder.rename(self.output)
        shutil.rmtree(self.partial, ignore_errors=True)

    def _result(self, progress: Progress, *, complete: bool) -> Result:
        scores = tuple(epoch["valid"] for epoch in progress.epochs)
        return Result(complete, len(scores) - 1, progress.best_epoch, scores)


def map_to_width(embeddings: np.ndarray, text: np.ndarray) -> np.ndarray:
    """Embeddings of items in the space of their texts, with their angles to each other kept.

    The orthogonal map `W` that brings them closest to the texts, `argmin ‖Z W − X‖` over rows of
    norm 1 (Schönemann, "A generalized solution of the orthogonal Procrustes problem", 1966); of
    embeddings wider than texts, a projection.

    Args:
        embeddings: float `[n_items, d]`.
        text: float32 `[n_items, width]`, 0 for items without text.

    Returns:
        float32 `[n_items, width]`, rows of norm 1.

    Raises:
        DataError: the embeddings are of another number of items.
    """
    if len(embeddings) != len(text):
        raise DataError(f"embeddings of {len(embeddings)} items, but there are {len(text)}")
    unit = unit_rows(embeddings, np.float64)
    left, _, right = np.linalg.svd(unit.T @ text, full_matrices=False)
    return unit_rows(unit @ (left @ right))
