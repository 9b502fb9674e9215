import json

import pytest


def test_variants_are_trained_scored_and_compared(run_binary, dataset, tmp_path, small_run):
    variants = tmp_path / "variants.json"
    variants.write_text('{"full": {}, "plain": {"normalize": false}, "same": {"epochs": 1}}')
    workdir = tmp_path / "runs"
    command = (
        "ablate",
        f"--dataset={dataset.folder}",
        f"--workdir={workdir}",
        f"--variants={variants}",
        *small_run,
        "--experts=aligned",
        "--seeds=1",
        "--processes=2",
    )
    done = run_binary(*command)
    assert done.status == 0, done.err
    markdown = (workdir / "ablation.md").read_text(encoding="utf-8")
    assert markdown in done.out
    assert "Not run: same (the same as full here)." in markdown
    content = json.loads((workdir / "ablation.json").read_text(encoding="utf-8"))
    for variant in content["variants"]:
        metrics = json.loads((workdir / variant["name"] / "seed_0/metrics_test.json").read_text())
        assert variant["mean"] == pytest.approx(metrics["ndcg@10"])
        assert f"| {variant['name']} | {variant['mean']:.4f} |" in " ".join(markdown.split())
    assert [variant["name"] for variant in content["variants"]] == ["full", "plain"]
    assert (workdir / "ablation.svg").exists()

    again = run_binary(*command)  # nothing is left to do
    assert (again.status, again.out, again.err) == (0, done.out, "")
