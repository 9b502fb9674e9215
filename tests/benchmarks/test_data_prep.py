"""The benchmark runs, and writes a table of what the manifests say."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = "<!-- data_prep -->\nold\n<!-- /data_prep -->"


def test_the_table_is_replaced_by_measured_rows(tmp_path):
    document = tmp_path / "data.md"
    document.write_text(f"before\n{PLACE}\nafter\n")
    run = subprocess.run(
        [
            sys.executable,
            str(ROOT / "benchmarks" / "data_prep.py"),
            "--generate=500",
            "--generated_flags=--text_encoder=none",
            "--data=small: --source=synthetic --text_encoder=none --synthetic_users=20",
            f"--update={document}",
            f"--scratch={tmp_path}",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    del rows[1]  # the rule
    assert [row[0] for row in rows] == ["| data set", "| small", "| generated, 0.0 GB"]
    assert rows[2][1] == "500"
    assert rows[1][3] == "20"
    assert list(tmp_path.iterdir()) == [document]
