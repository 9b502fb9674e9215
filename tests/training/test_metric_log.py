import json
import math
import struct

import pytest
from tensorboard.compat.proto import event_pb2

from symcere_jax.training.metric_log import EVENTS, FILE, MetricLog, read_metric_log

RECORDS = [{"step": 10 * n, "epoch": n, "loss": 1 / n, "ndcg@10": n / 100} for n in (1, 2, 3)]


def _write(workdir, records, **options):
    workdir.mkdir(exist_ok=True)
    with MetricLog(workdir, **options) as log:
        for record in records:
            log.write(record)


def _events(workdir):
    """The events of a workdir: length, its checksum, event, its checksum, and so on."""
    for path in sorted((workdir / EVENTS).iterdir()):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            yield event_pb2.Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]


def test_a_record_is_on_disk_before_the_next(tmp_path):
    diverged = {"step": 40, "loss": math.inf}
    with MetricLog(tmp_path) as log:
        assert read_metric_log(tmp_path) == []
        for n, record in enumerate([*RECORDS, diverged], start=1):
            log.write(record)
            assert read_metric_log(tmp_path) == [*RECORDS, diverged][:n]
    lines = (tmp_path / FILE).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [*RECORDS, diverged]
    _write(tmp_path, [{"step": 1, "loss": math.nan}])
    assert math.isnan(read_metric_log(tmp_path)[0]["loss"])


@pytest.mark.parametrize(("step", "kept"), [(0, 0), (9, 0), (10, 1), (25, 2), (30, 3), (99, 3)])
def test_resuming_drops_later_records(tmp_path, step, kept):
    _write(tmp_path, RECORDS)
    again = {"step": 40, "epoch": 4, "loss": 0.5}
    _write(tmp_path, [again], resume_step=step)
    assert read_metric_log(tmp_path) == [*RECORDS[:kept], again]
    _write(tmp_path, RECORDS[:1])  # without resuming
    assert read_metric_log(tmp_path) == RECORDS[:1]
    _write(tmp_path / "new", RECORDS, resume_step=step)
    assert read_metric_log(tmp_path / "new") == RECORDS


def test_a_line_that_was_cut_off_is_dropped(tmp_path):
    _write(tmp_path, RECORDS)
    path = tmp_path / FILE
    whole = path.read_text()
    for cut in (1, 2, 20):
        path.write_text(whole[:-1][:-cut])
        assert read_metric_log(tmp_path) == RECORDS[:2]
    _write(tmp_path, RECORDS[2:], resume_step=30)
    assert path.read_text() == whole


def test_tensorboard_gets_every_metric_and_where_a_run_resumes(tmp_path):
    _write(tmp_path, RECORDS, resume_step=20)
    found = {
        (value.tag, event.step): value.simple_value
        for event in _events(tmp_path)
        for value in event.summary.value
    }
    expected = {}
    for record in RECORDS:
        expected["loss", record["step"]] = record["loss"]
        expected["ndcg_at_10", record["step"]] = record["ndcg@10"]
    assert found == pytest.approx(expected)
    starts = [event.step for event in _events(tmp_path) if event.HasField("session_log")]
    assert starts == [21]


def test_files_are_closed_when_a_run_fails(tmp_path):
    with pytest.raises(KeyboardInterrupt), MetricLog(tmp_path) as log:
        log.write(RECORDS[0])
        raise KeyboardInterrupt
    assert read_metric_log(tmp_path) == RECORDS[:1]
    with pytest.raises(ValueError, match="closed file"):
        log.write(RECORDS[1])
