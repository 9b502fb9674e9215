"""The binary, from the command line to the exit status."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from symcere_jax.data.dataset import ReviewDataset

PREPARE = Path(__file__).parents[2] / "data_prep" / "prepare.py"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PREPARE.parents[1])}
ROW = {"user_id": "a", "item_id": "x", "rating": 3, "timestamp": 5, "text": "t", "split": "train"}


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(PREPARE), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def lines(*rows: dict | str) -> bytes:
    return "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows).encode()


def test_a_table_becomes_a_prepared_folder(tmp_path, rows, write_rows):
    output = tmp_path / "made" / "shop"
    program = start(
        "--source=table", f"--input={write_rows(rows)}", f"--output={output}",
        "--k_core=2", "--text_width=4",
    )  # fmt: skip
    out, err = program.communicate()
    assert program.returncode == 0, err
    assert "rows read" in out
    assert out.endswith(f"prepared folder: {output}\n")
    assert err.startswith("reading ")
    dataset = ReviewDataset.load(output)
    assert dataset.manifest.k_core == 2
    assert dataset.text_features("lsa", "users").shape[1] == 4
    assert list(output.parent.iterdir()) == [output]


@pytest.fixture
def long_run(tmp_path):
    """A program that generates reviews, for minutes unless it is stopped, into `made/out`."""
    program = start(
        "--source=synthetic", f"--output={tmp_path / 'made' / 'out'}",
        "--synthetic_users=20000", "--synthetic_items=50000",
    )  # fmt: skip
    assert program.stderr is not None
    try:
        assert program.stderr.readline().startswith("reading")
        yield program
    finally:
        program.kill()
        program.communicate()


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [(signal.SIGINT, 130, ["interrupted\n"]), (signal.SIGTERM, 75, ["stopped", "same command"])],
)
def test_a_run_that_is_stopped_leaves_nothing(tmp_path, long_run, number, status, words):
    long_run.send_signal(number)
    _, err = long_run.communicate(timeout=30)
    assert long_run.returncode == status
    assert all(word in err for word in words)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_goes_at_the_next_start(
    tmp_path, run_prepare, long_run, write_rows, rows
):
    output = tmp_path / "made" / "out"
    refused = run_prepare("--source=synthetic", f"--output={output}")
    assert refused.status == 1
    assert "out is in use by another process" in refused.error
    long_run.kill()
    long_run.communicate()
    assert {path.name for path in output.parent.iterdir()} == {".out.partial", ".out.lock"}
    path = write_rows(rows)
    run_prepare("--source=table", f"--input={path}", f"--output={output}", "--text_encoder=none")
    assert list(output.parent.iterdir()) == [output]


def test_all_flags_reach_the_settings(run_prepare, tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(
        "who,what,stars,body,when,fold\n"
        + "".join(f"u{i % 3},i{i},{i},b,{i},dev\n" for i in range(9))
    )
    arguments = (
        "--source=table", f"--input={path}", f"--output={tmp_path / 'out'}", "--name=shop",
        "--user_field=who", "--item_field=what", "--rating_field=stars", "--text_field=body",
        "--time_field=when", "--split_field=fold", "--min_valid_rating=0", "--max_valid_rating=8",
        "--split=temporal", "--valid_share=0.34", "--test_share=0", "--seed=4",
        "--text_encoder=none",
    )  # fmt: skip
    run = run_prepare(*arguments)
    assert run.status == 0, run.err
    manifest = ReviewDataset.load(tmp_path / "out").manifest
    assert manifest.name == "shop"
    assert manifest.split == {
        "policy": "temporal", "seed": 4, "valid_share": 0.34, "test_share": 0.0
    }  # fmt: skip
    assert manifest.source["options"]["fields"]["text"] == "body"
    assert "exists; use --overwrite" in run_prepare(*arguments).error
    assert run_prepare(*arguments, "--overwrite").status == 0


BAD_FILES = {
    "scale.csv": (b"user_id,item_id,rating\na,x,5\nb,y,700\n", "ratings lie between 5 and 700, wh"),
    "empty.jsonl": (b"", "empty.jsonl is empty"),
    "header.csv": (b"user_id,item_id\n", "header.csv has no rows"),
    "colons.csv": (b"user_id:item_id\na:x\n", "line 1: 'user_id:item_id' is a single field"),
    "fields.csv": (b"user,item_id\na,x\n", "has no field 'user_id'; it has: user, item_id; name"),
    "gbk.csv": ("user_id,item_id\na,x\n好看,y\n".encode("gbk"), "gbk.csv, line 3: not UTF-8"),
    "quote.csv": (b'user_id,item_id\na,"x\nb,y\n', "quote.csv, line 2: quotes are not closed"),
    "inside.csv": (b'user_id,item_id\na,x\nc,"d" e\n', "inside.csv, line 3: quotes are not closed"),
    "row.csv": (b'user_id,item_id\na,"x\nc,d"\n', "row.csv, line 2: quotes are not closed"),
    "lines.csv": (b'user_id,item_id\na,"x\nx"\nc\n', "lines.csv, line 4: 1 fields, the header"),
    "latin.csv": ("user_id,item_id\na,ü\nc,".encode() + b"\xe9\n", "latin.csv, line 3: not UTF-8"),
    "more.csv": (b"user_id,item_id\na,b,c\n", "more.csv, line 2: 3 fields, the header has 2; q"),
    "twice.csv": (b"user_id,item_id,user_id\na,b,c\n", "names 'user_id' more than once"),
    "ragged.csv": (b"user_id,item_id\na,x\nb\n", "ragged.csv, line 3: 1 fields"),
    "half.jsonl": (lines(ROW) + lines(ROW)[:30], "half.jsonl, line 2: not valid JSON"),
    "array.jsonl": (lines(ROW, '["b"]'), "array.jsonl, line 2: ['b'] is not a JSON object"),
    "whole.json": (b'[{"user_id": "a"},\n{"user_id": "b"}]', "whole.json, line 1: not valid JSON"),
    "bytes.jsonl": (lines(ROW) + b'{"user_id": "\xff"}\n', "bytes.jsonl, line 2: not UTF-8"),
    "truncated.jsonl.gz": (gzip.compress(lines(ROW))[:-9], "truncated.jsonl.gz: truncated"),
    "word.jsonl": (lines(ROW, ROW | {"rating": "good"}), "word.jsonl, line 2: rating is 'good'"),
    "infinite.jsonl": (lines(ROW, ROW | {"rating": float("inf")}), "line 2: rating is inf, no num"),
    "high.jsonl": (lines(*[ROW] * 20, "", ROW | {"rating": 6}),
                   "high.jsonl, line 22: rating is 6, must be"),
    "date.jsonl": (lines(ROW | {"timestamp": "1/5/2019"}), "line 1: timestamp is '1/5/2019', exp"),
    "split.jsonl": (lines(ROW, ROW | {"split": "hold"}), "split.jsonl, line 2: split is 'hold'"),
    "user.jsonl": (lines(ROW, ROW | {"user_id": None}), "user.jsonl, line 2: no user_id"),
    "item.jsonl": (lines(ROW | {"item_id": " "}), "item.jsonl, line 1: no item_id"),
    "list.jsonl": (lines(ROW | {"item_id": ["x"]}), "list.jsonl, line 1: item_id is ['x'], exp"),
    "train.jsonl": (lines(ROW | {"split": "test"}), "none of the 1 reviews is in split 'train'"),
    "bad.parquet": (b"PAR1", "bad.parquet: not a readable Parquet file"),
    "packed.parquet.gz": (gzip.compress(b""), "packed.parquet.gz: not a readable Parquet file"),
    "reviews.xlsx": (b"PK", "reviews.xlsx: its name must end in one of"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named(run_prepare, tmp_path, name):
    content, message = BAD_FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    run = run_prepare(
        "--source=table", f"--input={path}", f"--output={tmp_path / 'out'}", "--text_encoder=none"
    )
    assert (run.status, run.out) == (1, "")
    assert message in run.error
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--k_core=3"], 1, "the largest k that leaves something is 1"),
        (["--valid_share=0.6", "--test_share=0.4"], 1, "their sum must be below 1"),
        (["--input=nowhere.csv"], 1, "no input at nowhere.csv"),
        (["--split=random"], 2, "--split=random"),
        (["--k_core=two"], 2, "--k_core=two"),
        (["--kcore=2"], 2, "unknown flag --kcore; did you mean --k_core?"),
    ],
)
def test_a_bad_flag_is_named(run_prepare, tmp_path, write_rows, arguments, status, message):
    path = write_rows([ROW])
    run = run_prepare(
        "--source=table", f"--input={path}", f"--output={tmp_path / 'out'}", "--text_encoder=none",
        *arguments,
    )  # fmt: skip
    assert run.status == status
    assert message in run.error
    assert list(tmp_path.iterdir()) == [path]


DIRTY = [
    *(ROW | {"user_id": f"u{n % 9}", "item_id": f"i{n}", "timestamp": n} for n in range(90)),
    ROW | {"rating": 11},
    ROW | {"timestamp": "soon"},
    ROW | {"user_id": None},
    ROW | {"item_id": ["x"]},
    '{"user_id": "a", "item_id"',
]


def test_bad_rows_are_skipped_counted_and_limited(run_prepare, tmp_path):
    path = tmp_path / "dirty.jsonl"
    path.write_bytes(lines(*DIRTY) + b'{"user_id": "\xff"}\n')
    arguments = (
        "--source=table", f"--input={path}", f"--output={tmp_path / 'out'}", "--text_encoder=none",
        "--on_bad_row=skip", "--split=ratio",
    )  # fmt: skip
    run = run_prepare(*arguments)
    assert run.status == 1
    assert "5 of 96 rows are bad, more than --max_bad_share=0.01; the first: " in run.error
    assert list(tmp_path.iterdir()) == [path]
    run = run_prepare(*arguments, "--max_bad_share=0.07")
    assert run.status == 0, run.err
    manifest = ReviewDataset.load(tmp_path / "out").manifest
    assert manifest.n_reviews == 90
    bad = {reason: n for reason, n in manifest.dropped.items() if reason.startswith("bad row")}
    assert bad == {
        "bad row: rating out of range": 1,
        "bad row: type of timestamp": 1,
        "bad row: no user_id": 1,
        "bad row: type of item_id": 1,
        "bad row: not valid JSON": 1,
        "bad row: not UTF-8": 1,
    }
    assert manifest.statistics["raw_rows"] == 96
    assert "dropped: bad row: not UTF-8" in run.out


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(tmp_path):
    path = tmp_path / "r.jsonl"
    rows = (ROW | {"item_id": f"i{n}", "text": f"text {n} " * 90} for n in range(3000))
    path.write_bytes(lines(*rows))
    command = [sys.executable, str(PREPARE), "--source=table", f"--input={path}"]
    command += [f"--output={tmp_path / 'out'}", "--text_encoder=none"]
    limited = "import os, resource, sys; limit = 100_000; "
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)); "
    limited += "os.execv(sys.executable, sys.argv[1:])"
    run = subprocess.run(
        [sys.executable, "-c", limited, *command],
        capture_output=True, text=True, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    (error,) = (line for line in run.stderr.splitlines() if line.startswith("error"))
    assert error.startswith("error: cannot write")
    assert list(tmp_path.iterdir()) == [path]


def test_threads_do_not_show(run_prepare, tmp_path, write_rows, rows):
    outputs = []
    choices = {"a": [], "b": ["--threads=3", "--memory=900MiB"], "c": ["--threads=1"]}
    for name, flags in choices.items():
        run = run_prepare(
            "--source=table", f"--input={write_rows(rows)}", f"--output={tmp_path / name}",
            "--text_width=4", "--name=x", *flags,
        )  # fmt: skip
        assert run.status == 0, run.err
        files = (path for path in (tmp_path / name).rglob("*") if path.is_file())
        outputs.append({str(f.relative_to(tmp_path / name)): f.read_bytes() for f in files})
    assert outputs[0] == outputs[1] == outputs[2]


def test_required_flags(run_prepare):
    run = run_prepare("--source=synthetic")
    assert run.status == 2
    assert "output" in run.error
