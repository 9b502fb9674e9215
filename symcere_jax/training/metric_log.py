"""The log of a run: one JSON line an epoch, and TensorBoard events beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tensorboardX import SummaryWriter

from symcere_jax.files import write_text

FILE = "metrics.jsonl"
EVENTS = "tensorboard"


class MetricLog:
    """Appends records to `metrics.jsonl` and to TensorBoard events in a workdir.

    Args:
        workdir: where the files lie.
        resume_step: records of later steps are dropped: the run is going to write them again.
    """

    def __init__(self, workdir: Path, resume_step: int = -1) -> None:
        path = workdir / FILE
        kept = [
            json.dumps(record) + "\n"
            for record in (read_metric_log(workdir) if path.exists() else [])
            if record["step"] <= resume_step
        ]
        write_text(path, "".join(kept))
        self._file = path.open("a")
        self._events = SummaryWriter(str(workdir / EVENTS), purge_step=resume_step + 1)

    def write(self, record: Mapping[str, float]) -> None:
        """Appends a record, which has a "step"; numbers only."""
        self._file.write(json.dumps(dict(record)) + "\n")
        self._file.flush()
        for name, value in record.items():
            if name not in ("step", "epoch"):
                self._events.add_scalar(name.replace("@", "_at_"), value, int(record["step"]))

    def __enter__(self) -> "MetricLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        self._events.close()


def read_metric_log(workdir: Path) -> list[dict[str, float]]:
    """The records of a workdir's `metrics.jsonl`; a line that an interrupt cut off is left out."""
    records = []
    for line in (workdir / FILE).read_text().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records
