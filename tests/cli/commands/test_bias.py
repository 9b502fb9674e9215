def test_prints_what_it_writes(run_binary, dataset, trained_run, tmp_path):
    run = run_binary(
        "bias", f"--dataset={dataset.folder}", f"--runs={trained_run}", f"--output={tmp_path}"
    )
    assert (run.status, run.err) == (0, "")
    assert run.out.startswith((tmp_path / "bias.md").read_text(encoding="utf-8"))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["bias.json", "bias.md", "bias.svg"]


def test_errors_are_one_line_and_nothing_is_written(run_binary, dataset, trained_run, tmp_path):
    output, file = tmp_path / "output", tmp_path / "file"
    file.touch()
    for arguments, message in (
        ([f"--runs={tmp_path}"], "has no metrics_test.json"),
        ([f"--runs={trained_run}", "--split=valid"], "has no metrics_valid.json"),
        ([f"--runs={trained_run}", f"--output={file}"], "is a file: choose a folder"),
    ):
        run = run_binary("bias", f"--dataset={dataset.folder}", f"--output={output}", *arguments)
        assert (run.status, run.out) == (1, "")
        assert message in run.error
        assert not output.exists()
