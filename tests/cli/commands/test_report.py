from tests.report.reader import Reader


def test_writes_one_file(run_binary, dataset, trained_run, tmp_path):
    output = tmp_path / "new" / "report.html"
    run = run_binary(
        "report", f"--dataset={dataset.folder}", f"--runs={trained_run}", f"--output={output}"
    )
    assert (run.status, run.out, run.err) == (0, f"{output}\n", "")
    assert [path.name for path in output.parent.iterdir()] == ["report.html"]
    text = Reader(output.read_text(encoding="utf-8")).text
    assert "small: both_towers" in text
    assert "Popularity bias" in text


def test_errors_are_one_line_and_nothing_is_written(run_binary, dataset, trained_run, tmp_path):
    output = tmp_path / "new" / "report.html"
    for arguments, message in (
        ([f"--runs={tmp_path}"], "neither metrics.jsonl nor a checkpoint"),
        ([f"--runs={trained_run}", f"--extras={tmp_path}"], "holds no ablation.json"),
        ([f"--runs={trained_run}", f"--output={tmp_path}"], "is a folder: choose a file"),
    ):
        run = run_binary("report", f"--dataset={dataset.folder}", f"--output={output}", *arguments)
        assert (run.status, run.out) == (1, "")
        assert message in run.error
        assert not output.parent.exists()
