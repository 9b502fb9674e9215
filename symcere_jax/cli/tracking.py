"""Training in MLflow or Weights & Biases; events for TensorBoard are in the workdir anyway."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symcere_jax.errors import ConfigError
from symcere_jax.optional import require
from symcere_jax.settings import TRACKERS, Settings


class Tracker:
    """A run of training, as a tracker of experiments shows it; the workdir names it.

    Raises:
        ConfigError: the tracker is unknown, or its extra is not installed.
    """

    def __init__(self, kind: str, workdir: Path, settings: Settings) -> None:
        if kind not in TRACKERS:
            raise ConfigError(f"--tracker is {kind!r}, must be one of: {', '.join(TRACKERS)}")
        self._module: Any = require(kind, extra=kind)
        self._is_wandb = kind == "wandb"
        self._name, self._settings, self._run = str(workdir), settings.as_dict(), None

    def log(self, expert: str, record: Mapping[str, float]) -> None:
        """Logs an epoch of an expert."""
        if self._run is None:
            self._run = self._start()
        # MLflow refuses names with an @.
        values = {f"{expert}/{name.replace('@', '_')}": value for name, value in record.items()}
        if self._is_wandb:
            self._module.log(values)
        else:
            self._module.log_metrics(values, step=int(record["epoch"]))

    def close(self) -> None:
        """Ends the run, if it has begun."""
        if self._run is not None:
            (self._module.finish if self._is_wandb else self._module.end_run)()

    def _start(self) -> Any:
        if self._is_wandb:
            return self._module.init(project="symcere_jax", name=self._name, config=self._settings)
        run = self._module.start_run(run_name=self._name)
        self._module.log_params(self._settings)
        return run
