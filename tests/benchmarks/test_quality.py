import json

import numpy as np


def test_results_and_neighbors(dataset, tmp_path, page, start):
    common = [f"--datasets={dataset.folder}", f"--workdir={tmp_path}/runs", "--seeds=1"]
    methods = ("popularity", "ease")
    more = [f"--methods={','.join(methods)}", "--budget=1", f"--configs={tmp_path}"]
    start("quality/results.py", *common, *more, "--details=small")
    scores = dict(page.rows("results"))
    folders = {
        "popularity": "baselines/popularity",
        "EASE": "baselines/ease",
        "SymCERE, defaults": "symcere",
        "SymCERE, defaults, without text": "symcere_no_text",
    }
    means = {}
    for title, folder in folders.items():
        [path] = (tmp_path / "runs" / "small" / folder).glob("**/metrics_test.json")
        means[title] = json.loads(path.read_text())["ndcg@10"]
    best = max(means.values())
    for title, mean in means.items():
        assert scores[title] == (f"**{mean:.4f}**" if mean == best else f"{mean:.4f}")
    gain = means["SymCERE, defaults"] / max(means["popularity"], means["EASE"]) - 1
    assert scores["SymCERE, defaults, against the best baseline"].startswith(f"{gain:+.1%} (p = ")
    assert dict(page.rows("small"))["ndcg@10"] == f"{means['SymCERE, defaults']:.4f}"
    start("quality/neighbor_gain.py", *common)
    rows = page.rows("neighbors")
    assert [row[:2] for row in rows] == [["small", "text"], ["small", "no text"]]
    for _, _, weight, without, with_neighbors, *_ in rows:  # a weight of 0 changes nothing
        assert with_neighbors > without if float(weight) else with_neighbors == without


def test_an_ablation(dataset, tmp_path, page, start):
    variants = tmp_path / "variants.json"
    variants.write_text('{"full": {"epochs": 1}, "no_text": {"epochs": 1, "text_encoder": "none"}}')
    start(
        "quality/ablation_table.py",
        f"--dataset={dataset.folder}",
        f"--workdir={tmp_path}/runs",
        f"--variants={variants}",
        "--seeds=1",
    )
    assert [row[0] for row in page.rows("ablation")] == ["full", "no_text"]


def test_the_course_of_the_scores(dataset, tmp_path, page, start):
    common = [f"--dataset={dataset.folder}", f"--workdir={tmp_path}/run"]
    start("quality/course.py", *common, "--epochs=1", "--target=0.0")
    [first] = page.rows("course")
    assert "reached after 1 epochs" in page.text("course")
    start("quality/course.py", *common, "--epochs=2", "--target=1.1")
    rows = page.rows("course")
    assert rows[0] == first  # the first epoch was not trained again
    assert rows[1][0] == "2"
    assert "recall@20 of 1.1000: not reached." in page.text("course")


def test_batch_sizes(dataset, tmp_path, page, start):
    common = [f"--dataset={dataset.folder}", f"--workdir={tmp_path}/runs"]
    common += ["--batch_sizes=64,default", "--seeds=2"]
    start("quality/batch_sizes.py", *common, "--epochs=2", "--text_encoder=none")
    small, default = page.rows("batches")
    assert small[:2] == ["64", str(-(-len(dataset.train) // 64))]
    assert default[0].endswith(", default")
    scores = {}
    for size in ("64", "default"):
        logs = [tmp_path / "runs" / size / f"seed_{seed}" / "metrics.jsonl" for seed in (0, 1)]
        scores[size] = [
            max(json.loads(line)["ndcg@10"] for line in log.read_text().splitlines())
            for log in logs
        ]
    assert small[4:] == [f"{np.mean(scores['64']):.4f} ± {np.std(scores['64'], ddof=1):.4f}", ""]
    gain = np.mean(scores["default"]) / np.mean(scores["64"]) - 1
    assert default[5].startswith(f"{gain:+.1%} (p = ")
    start("quality/batch_sizes.py", *common)  # nothing is trained again
    assert page.rows("batches")[0] == small
