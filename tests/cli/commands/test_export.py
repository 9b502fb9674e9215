def test_the_files_are_named(trained, run_binary, dataset, tmp_path):
    _, workdir = trained
    where = (f"--workdir={workdir}", f"--dataset={dataset.folder}", f"--output={tmp_path / 'out'}")
    run = run_binary("export", *where)
    assert (run.status, run.err) == (0, "")
    files = sorted((tmp_path / "out").iterdir())
    assert run.out.splitlines() == list(map(str, files)) and len(files) == 5
    run = run_binary("export", *where)
    assert run.status == 1 and "exists; choose another --output" in run.error
