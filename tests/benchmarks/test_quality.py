import json

from symcere_jax.files import write_json
from symcere_jax.settings import Settings
from symcere_jax.study.scoring import score_run
from symcere_jax.training import train

# Little to compile and to train.
QUICK = {
    "epochs": 1,
    "embedding_dim": 8,
    "n_layers": 1,
    "batch_size": 256,
    "propagation": "segment",
    "cross_modal_weight": 0.0,
    "user_ranking_weight": 0.0,
}


def test_results(dataset, tmp_path, page, start):
    run = tmp_path / "runs" / "small" / "symcere" / "seed_0"  # complete: not trained at length
    train(Settings(**QUICK), dataset, run)
    score_run(run, dataset, "test")
    write_json(run / "seconds.json", 1.5)
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
    details = dict(page.rows("small"))
    assert details["ndcg@10"] == f"{means['SymCERE, defaults']:.4f}"
    assert details["seconds (train + evaluate)"] == "1.5"
