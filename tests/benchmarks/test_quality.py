import gzip
import json

from symcere_jax.settings import Settings
from symcere_jax.study.scoring import score_run
from symcere_jax.training import train
from tests.quick import QUICK


def test_results(dataset, tmp_path, page, start):
    run = tmp_path / "runs" / "small" / "symcere" / "seed_0"  # complete: not trained at length
    train(Settings(**QUICK | {"experts": None}), dataset, run)
    score_run(run, dataset, "test")
    start(
        "quality.results",
        *(f"--datasets={dataset.folder}", f"--workdir={tmp_path}/runs", "--seeds=1"),
        *("--methods=popularity,ease", "--trials=1", "--details=small"),
    )
    scores = dict(page.rows("results"))
    folders = {
        "popularity": "baselines/popularity",
        "EASE": "baselines/ease",
        "SymCERE, defaults": "symcere",
        "its graph expert alone": "graph",
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
    details = dict(page.rows("small"))
    assert details["ndcg@10"] == f"{means['SymCERE, defaults']:.4f}"


def test_incremental(tmp_path, page, start):
    """All runs are complete, so that their scores are read."""
    rows = [
        {"user_id": f"u{n % 40}", "item_id": f"i{n}", "split": "train" if n % 3 else "test"}
        for n in range(400)
    ]
    with gzip.open(tmp_path / "reviews.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    runs = tmp_path / "runs"
    for name in ("warm_start", "trained_anew", "prepared_and_trained_anew"):
        (runs / name).mkdir(parents=True)
        for split, score in (("valid", 0.25), ("test", 0.125)):
            content = json.dumps({"ndcg@10": score, "recall@10": 0.5})
            (runs / name / f"metrics_{split}.json").write_text(content)
        for record in ("seconds", "valid", "test"):
            (runs / f"{name}.{record}").write_text("20")
    for name in ("earlier", "appended", "anew"):
        (runs / f"{name}.prepared").write_text("7")
    start("quality.incremental", f"--input={tmp_path}/reviews.jsonl.gz", f"--workdir={runs}")
    scores = ["7", "20", "0", "0.2500", "0.1250", "0.5000"]
    titles = ["warm start", "trained anew", "prepared and trained anew"]
    assert page.rows("incremental") == [[title, *scores] for title in titles]

    earlier, later = (
        [json.loads(line) for line in (runs / f"{name}.jsonl").read_text().splitlines()]
        for name in ("earlier", "later")
    )
    assert sorted(earlier + later, key=lambda row: int(row["item_id"][1:])) == rows
    new_users = {row["user_id"] for row in rows} - {row["user_id"] for row in earlier}
    assert len(new_users) == 2
    others = [row for row in later if row["user_id"] not in new_users]
    assert {row["split"] for row in others} == {"train"} and 10 < len(others) < 45
