import json


def test_results(dataset, tmp_path, page, start):
    start(
        "quality.results",
        *(f"--datasets={dataset.folder}", f"--workdir={tmp_path}/runs", "--seeds=1"),
        *("--methods=popularity,ease", "--trials=1", f"--configs={tmp_path}", "--details=small"),
    )
    scores = dict(page.rows("results"))
    folders = {
        "popularity": "baselines/popularity",
        "EASE": "baselines/ease",
        "SymCERE, defaults": "symcere",
        "its graph expert alone": "graph_0",
        "its aligned expert alone": "aligned",
    }
    means = {}
    for title, folder in folders.items():
        path = tmp_path / "runs" / "small" / folder / "seed_0" / "metrics_test.json"
        means[title] = json.loads(path.read_text())["ndcg@10"]
    best = max(means.values())
    for title, mean in means.items():
        assert scores[title] == (f"**{mean:.4f}**" if mean == best else f"{mean:.4f}")
    gain = means["SymCERE, defaults"] / max(means["popularity"], means["EASE"]) - 1
    assert scores["SymCERE, defaults, against that baseline"].startswith(f"{gain:+.1%} (p = ")
    assert f"defaults has {1 + gain:.2f} times" in page.text("results")
    assert dict(page.rows("small"))["ndcg@10"] == f"{means['SymCERE, defaults']:.4f}"


def test_text_quality(dataset, tmp_path, page, start):
    start(
        "quality.text_quality",
        *(f"--datasets={dataset.folder}", f"--workdir={tmp_path}/runs", "--seeds=1"),
        *("--encoders=lsa", "--epochs=1"),
    )
    [runs] = (tmp_path / "runs").glob("*/lsa")
    scores = json.loads((runs / "seed_0" / "metrics_test.json").read_text())
    without, lsa = page.rows("text quality")
    assert (without[1], lsa[1]) == ("none", "LSA")
    assert lsa[3].startswith(f"{scores['ndcg@10']:.4f}")
