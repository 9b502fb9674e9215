"""The log of a run: a JSON line per epoch and, if TensorBoard is installed, its events."""

import importlib.util
import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symcere_jax.files import write_text
from symcere_jax.training.checkpoints import EXPERTS_FOLDER

FILE = "metrics.jsonl"
EVENTS = "tensorboard"


class MetricLog:
    """Appends records to `metrics.jsonl` and to TensorBoard events in a workdir.

    Args:
        workdir: gets the files.
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
        installed = importlib.util.find_spec("tensorboard") is not None
        self._events = _EventFile(workdir / EVENTS, resume_step + 1) if installed else None

    def write(self, record: Mapping[str, float]) -> None:
        """Appends a record, which has a "step"; numbers only."""
        self._file.write(json.dumps(dict(record)) + "\n")
        self._file.flush()
        if self._events is not None:
            values = {name: record[name] for name in record if name not in ("step", "epoch")}
            self._events.write(int(record["step"]), values)

    def __enter__(self) -> "MetricLog":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        if self._events is not None:
            self._events.close()


def read_metric_log(workdir: Path) -> list[dict[str, float]]:
    """The records of a workdir's `metrics.jsonl`, without a line that an interrupt cut off."""
    records = []
    for line in (workdir / FILE).read_text().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def read_metric_logs(workdir: Path) -> dict[str, list[dict[str, float]]]:
    """The logs of a run by the name of the expert; "" where it has a single one."""
    if (workdir / FILE).exists():
        return {"": read_metric_log(workdir)}
    paths = sorted((workdir / EXPERTS_FOLDER).glob(f"*/{FILE}"))
    return {path.parent.name: read_metric_log(path.parent) for path in paths}


class _EventFile:
    """A TensorBoard event file, written by TensorBoard's own code.

    Its `SummaryWriter` belongs to TensorFlow or torch, which take seconds to import. What earlier
    files hold of `first_step` and later ones is obsolete.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"
        self._file = (folder / name).open("ab")
        self._records = RecordWriter(self._file)
        self._event = event_pb2.Event
        self._add(file_version="brain.Event:2")
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._add(step=first_step, session_log=start)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Appends scalars."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        scalars = [
            Summary.Value(tag=name.replace("@", "_at_"), simple_value=value)
            for name, value in values.items()
        ]
        self._add(step=step, summary=Summary(value=scalars))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _add(self, **fields: Any) -> None:
        event = self._event(wall_time=time.time(), **fields)
        self._records.write(event.SerializeToString())
        self._file.flush()
