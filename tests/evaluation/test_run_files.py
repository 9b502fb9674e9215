"""Other programs compute the metrics that we do, from the run file."""

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, P, R, nDCG

from symcere_jax.errors import DataError
from symcere_jax.evaluation import evaluate
from symcere_jax.evaluation.run_files import write_run_file

# MAP divides by min(k, number held out) here, and by the number held out there: the same for a k
# that no user has more held-out items than.
MEASURES = {
    "ndcg@10": nDCG @ 10,
    "recall@10": R @ 10,
    "precision@10": P @ 10,
    "mrr@50": RR,
    "map@50": AP @ 50,
}


def evaluated(dataset, **options):
    scores = np.random.default_rng(0).normal(size=(dataset.n_users, dataset.n_items))
    scores = scores.astype(np.float32)
    return evaluate(lambda s, users: s[users], scores, dataset, "test", **options)


@pytest.mark.parametrize("min_rating", [0.0, 4.0])
def test_metrics_are_those_of_ir_measures(dataset, tmp_path, min_rating):
    evaluation = evaluated(dataset, min_rating=min_rating)
    run, qrels = write_run_file(
        tmp_path / "test.run", evaluation, dataset, "test", min_rating=min_rating
    )
    found = ir_measures.calc_aggregate(
        MEASURES.values(),
        list(ir_measures.read_trec_qrels(str(qrels))),
        list(ir_measures.read_trec_run(str(run))),
    )
    for name, measure in MEASURES.items():
        assert found[measure] == pytest.approx(evaluation.metrics[name], abs=1e-4), name
    n_relevant = len(qrels.read_text().splitlines())
    assert n_relevant == len(dataset.test) if not min_rating else n_relevant < len(dataset.test)


def test_ids_with_white_space_are_refused(dataset, tmp_path, monkeypatch):
    evaluation = evaluated(dataset)
    ids = dataset.item_ids().astype(object)
    ids[3] = "two words"
    monkeypatch.setattr(type(dataset), "item_ids", lambda self: ids)
    with pytest.raises(DataError, match="'two words'"):
        write_run_file(tmp_path / "test.run", evaluation, dataset, "test")
    assert not list(tmp_path.iterdir())
