"""The steps to a model: prepare reviews, train."""

import contextlib
import dataclasses
import inspect
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from symcere_jax.api.frames import frame_kind, from_arrow, to_arrow
from symcere_jax.api.model import Model
from symcere_jax.cli import startup
from symcere_jax.cli.progress import ProgressBar
from symcere_jax.cli.training_runs import stop_on_signals
from symcere_jax.data import ReviewDataset
from symcere_jax.preparation import pipeline
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.settings import Settings
from symcere_jax.training import train

_COLUMNS = ("user", "item", "rating", "text", "time")


def _takes(settings: type) -> Callable[[Callable], Callable]:
    """Names each setting in the signature of a function, for completion and help."""

    def decorate(function: Callable) -> Callable:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        further = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty
                if field.default is dataclasses.MISSING
                else field.default,
                annotation=field.type,
            )
            for field in dataclasses.fields(settings)
            if field.name not in signature.parameters and field.name not in _SET_HERE
        ]
        function.__signature__ = signature.replace(parameters=own + further)  # type: ignore[attr-defined]
        return function

    return decorate


# Settings of a preparation that the arguments of `prepare` decide.
_SET_HERE = ("input", "download", *(f"{column}_field" for column in _COLUMNS))


@_takes(PrepareSettings)
def prepare(
    data: Any,
    output: str | Path,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    text: str | None = None,
    time: str | None = None,
    source: str = "table",
    progress: bool = True,
    **settings: Any,
) -> ReviewDataset:
    """Prepares reviews for training: cleans, filters, splits and encodes them.

    Args:
        data: a frame that speaks Arrow (pandas, polars, pyarrow, DuckDB, a Hugging Face `Dataset`),
            or the path of a file or folder.
        output: folder to write.
        user: column of user ids; default: user_id.
        item: column of item ids; default: item_id.
        rating: column of ratings; default: rating, if any.
        text: column of review texts; default: text.
        time: column of times; default: timestamp, if any.
        source: kind of the raw data, for paths.
        progress: show the stages on stderr.
        **settings: as the flags of `prepare.py`, such as `k_core=5`, `split="temporal"`.

    Returns:
        The prepared folder, opened.

    Raises:
        BusyError: another process writes the output.
        ConfigError: a setting is unknown or out of its limits, or the output is there already.
        DataError: the data is missing or malformed, or nothing of it is left.
    """
    given = {"user": user, "item": item, "rating": rating, "text": text, "time": time}
    fields: dict[str, Any] = {
        f"{name}_field": column for name, column in given.items() if column is not None
    }
    frame = None
    if isinstance(data, str | Path):
        fields["input"] = Path(data)
    else:
        frame = to_arrow(data)
    resolved = PrepareSettings.from_dict(
        {"source": source, "output": Path(output)} | fields | settings
    )
    announce = startup.say if progress else _ignore
    return pipeline.prepare(resolved, frame=frame, announce=announce, frames=frame_kind(data))


@_takes(Settings)
def fit(
    data: ReviewDataset | str | Path,
    workdir: str | Path,
    *,
    warm_start: str | Path | None = None,
    progress: bool = True,
    **settings: Any,
) -> Model:
    """Trains a model, or resumes its training; an interrupt writes a checkpoint first.

    Args:
        data: a prepared folder.
        workdir: folder of the run: checkpoints, logs and scores.
        warm_start: folder of an earlier run to start from, on data that has grown.
        progress: show a bar on stderr.
        **settings: as the flags of `train.py`, such as `epochs=20`, `experts="aligned"`.

    Returns:
        The best model of the run.

    Raises:
        ConfigError: a setting is unknown or out of its limits.
        CheckpointError: the workdir holds a run of other settings or data.
        DataError: the prepared folder is missing or damaged.
        KeyboardInterrupt: training was interrupted; the same call resumes it.
    """
    startup.tune_compiler()
    startup.keep_compiled()
    dataset = data if isinstance(data, ReviewDataset) else ReviewDataset.load(data)
    resolved = Settings.from_dict(settings)
    bar = ProgressBar(resolved)
    with _stopping() as stop, contextlib.closing(bar):
        result = train(
            resolved,
            dataset,
            workdir,
            warm_start=warm_start,
            observer=bar if progress else None,
            should_stop=stop.is_set,
        )
    if result.stop == "request":
        raise KeyboardInterrupt("training was interrupted; the same call resumes it")
    return Model.of_run(workdir, dataset)


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that an interrupt sets, so that training ends with a checkpoint."""
    if threading.current_thread() is not threading.main_thread():
        yield threading.Event()  # no signal arrives here
        return
    earlier = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop_on_signals()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def cross_validate(
    data: Any,
    folder: str | Path,
    *,
    folds: int = 5,
    training: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Any:
    """Trains and tests on each of several splits: one small split ranks nothing.

    Args:
        data: as in `prepare`.
        folder: gets a folder for each fold, with its data and its run; what is there is not done
            again.
        folds: number of splits, in each of which another part of each user's reviews is the test.
        training: settings of `fit`.
        **settings: columns and settings of `prepare`.

    Returns:
        A frame: fold, and a column for each metric of the test.
    """
    rows = []
    for fold in range(folds):
        place = Path(folder) / f"fold_{fold}"
        if not (place / "data").exists():
            prepare(data, place / "data", split="kfold", folds=folds, fold=fold, **settings)
        rows.append(
            {"fold": fold} | fit(place / "data", place / "run", **(training or {})).evaluate()
        )
    return from_arrow(pa.Table.from_pylist(rows), frame_kind(data))


def _ignore(stage: str) -> None:
    pass
