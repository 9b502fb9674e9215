"""The steps to a model: prepare reviews, train."""

import contextlib
import dataclasses
import inspect
import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from symcere_jax.api.frames import frame_kind, to_arrow
from symcere_jax.api.model import Model, open_data
from symcere_jax.cli import startup
from symcere_jax.cli.progress import ProgressBar
from symcere_jax.cli.tracking import Tracker
from symcere_jax.cli.training_runs import stop_on_signals
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError
from symcere_jax.fields import SettingsBase
from symcere_jax.hints import in_python
from symcere_jax.preparation import pipeline
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.settings import Settings
from symcere_jax.training import train

_COLUMNS = ("user", "item", "rating", "text", "time")
# Settings of a preparation that the arguments of `prepare` decide.
_SET_HERE = ("input", *(f"{column}_field" for column in _COLUMNS))


def _takes(settings: type[SettingsBase], leave_out: Collection[str] = ()) -> Callable:
    """Names settings, except some, in the signature and the help of a function."""

    def decorate(function: Callable) -> Callable:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        others = {*leave_out, *signature.parameters}
        lines = [inspect.getdoc(function) or "", "", "Settings:"]
        for field in dataclasses.fields(settings):
            if field.name not in others:
                keyword = inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY)
                own.append(keyword.replace(default=field.default, annotation=field.type))
                text = in_python(field.metadata["help"])
                lines.append(f"    {field.name} = {field.default!r}: {text}")
        function.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
        function.__doc__ = "\n".join(lines)
        return function

    return decorate


@_takes(PrepareSettings, _SET_HERE)
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
        data: an Arrow frame (pandas, polars, pyarrow, DuckDB, a Hugging Face `Dataset`), or
            the path or URL of a file or folder, or a list of these; None for generated reviews.
        output: folder to write.
        user: column of user ids; default: user_id.
        item: column of item ids; default: item_id.
        rating: column of ratings; default: rating, if any; "" leaves ratings out.
        text: column of review texts; default: text.
        time: column of times; default: timestamp, if any; "" leaves times out.
        source: kind of raw data: "table", another kind for paths, or "synthetic".
        progress: show the stages on stderr.
        **settings: such as `k_core=5`, `split="temporal"`; all are listed below.

    Returns:
        The prepared folder, opened.

    Raises:
        BusyError: another process writes the output.
        ConfigError: a setting is unknown or out of its limits, or the output already exists.
        DataError: the data is missing or malformed, or no review is left.
    """
    given = {"user": user, "item": item, "rating": rating, "text": text, "time": time}
    fields: dict[str, Any] = {
        f"{name}_field": column for name, column in given.items() if column is not None
    }
    for name in _SET_HERE:
        if name in settings:
            raise ConfigError(f"prepare has no setting {name!r}: its own arguments decide that")
    frame = None
    if isinstance(data, str | Path):
        fields["input"] = str(data)
    elif isinstance(data, Sequence) and data and all(isinstance(p, str | Path) for p in data):
        fields["input"] = ",".join(map(str, data))
    elif data is not None or source != "synthetic":
        frame = to_arrow(data)
    values = {"source": source, "output": Path(output)} | fields | settings
    return pipeline.prepare(
        PrepareSettings.from_dict(values),
        frame=frame,
        frames=frame_kind(data),
        announce=startup.say if progress else lambda stage: None,
    )


@_takes(Settings)
def fit(
    data: ReviewDataset | str | Path,
    workdir: str | Path,
    *,
    warm_start: str | Path | None = None,
    tracker: str | None = None,
    progress: bool = True,
    **settings: Any,
) -> Model:
    """Trains a model, or resumes its training; an interrupt writes a checkpoint first.

    Args:
        data: a prepared folder.
        workdir: folder of the run: checkpoints, logs and scores.
        warm_start: folder of an earlier run to start from, after reviews were appended.
        tracker: "mlflow" or "wandb", to also log settings and metrics there.
        progress: show a bar on stderr.
        **settings: such as `epochs=20`, `experts="aligned"`; all are listed below.

    Returns:
        The best model of the run.

    Raises:
        ConfigError: a setting is unknown or out of its limits, or the tracker is not installed.
        CheckpointError: the workdir holds a run of other settings or data.
        DataError: the prepared folder is missing or damaged.
        KeyboardInterrupt: training was interrupted; the same call resumes it.
    """
    startup.tune_compiler()
    startup.keep_compiled()
    dataset = open_data(data)
    chosen = Settings.from_dict(settings)
    log = Tracker(tracker, Path(workdir), chosen) if tracker else None
    bar = ProgressBar(chosen, tracker=log, silent=not progress)
    with stop_on_signals() as stop, contextlib.closing(bar):
        result = train(
            chosen,
            dataset,
            Path(workdir),
            warm_start=warm_start,
            observer=bar,
            should_stop=stop.is_set,
        )
    if result.stop == "request":
        raise KeyboardInterrupt("training was interrupted; the same call resumes it")
    if result.epochs > chosen.epochs:
        warnings.warn(
            f"the run in {workdir} has {result.epochs} epochs already, more than "
            f"{chosen.epochs}: choose another folder to train for fewer",
            stacklevel=2,
        )
    return Model.of_run(workdir, dataset)
