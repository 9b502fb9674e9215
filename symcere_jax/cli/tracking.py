"""Training in MLflow or Weights & Biases; events for TensorBoard are in the workdir anyway."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from symcere_jax.errors import ConfigError
from symcere_jax.optional import require
from symcere_jax.settings import TRACKERS, ResolvedSettings, Settings
from symcere_jax.training import Observer, Progress


@contextlib.contextmanager
def tracked(
    tracker: str | None, workdir: Path, settings: Settings, observer: Observer | None
) -> Iterator[Observer | None]:
    """Logs a run to a tracker: its settings, and the metrics of each epoch.

    Args:
        tracker: one of `TRACKERS`; None: no tracker.
        workdir: names the run.
        settings: of the run.
        observer: is told of the run, too.

    Yields:
        The observer to train with.

    Raises:
        ConfigError: the tracker is unknown, or its extra is not installed.
    """
    if tracker is None:
        yield observer
        return
    if tracker not in TRACKERS:
        raise ConfigError(f"--tracker is {tracker!r}, must be one of: {', '.join(TRACKERS)}")
    log = _Tracker(require(tracker, extra=tracker), str(workdir), settings.as_dict(), observer)
    try:
        yield log
    finally:
        log.close()


class _Tracker(Observer):
    def __init__(
        self, module: Any, name: str, settings: dict[str, Any], observer: Observer | None
    ) -> None:
        self._module, self._name, self._settings = module, name, settings
        self._observer = observer
        self._run: Any = None
        self._expert = ""

    def start(
        self,
        settings: ResolvedSettings,
        steps_per_epoch: int,
        batch_size: int,
        progress: Progress,
    ) -> None:
        if self._observer is not None:
            self._observer.start(settings, steps_per_epoch, batch_size, progress)
        self._expert = f"{settings.experts}_{settings.seed}"
        if self._run is None and self._module.__name__ == "wandb":
            self._run = self._module.init(
                project="symcere_jax", name=self._name, config=self._settings
            )
        elif self._run is None:
            self._run = self._module.start_run(run_name=self._name)
            self._module.log_params(self._settings)

    def steps(self, epoch: int, steps: int, loss: float) -> None:
        if self._observer is not None:
            self._observer.steps(epoch, steps, loss)

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        if self._observer is not None:
            self._observer.epoch(record, best)
        # MLflow refuses names with an @.
        values = {f"{self._expert}/{name.replace('@', '_')}": x for name, x in record.items()}
        if self._module.__name__ == "wandb":
            self._run.log(values)
        else:
            self._module.log_metrics(values, step=int(record["epoch"]))

    def close(self) -> None:
        if self._run is not None and self._module.__name__ == "wandb":
            self._run.finish()
        elif self._run is not None:
            self._module.end_run()
