from symcere_jax import Recommender
from symcere_jax.preparation.sources.synthetic_truth import FACTUAL_WORDS


def test_recommendations_to_all_users(page, start):
    start("service.all_users", "--users=200", "--items=50")
    assert page.rows("all_users")[0][:4] == ["200", "50", "64", "10"]


def test_approximate_search_finds_what_exact_search_does(page, start):
    start("service.approximate_search", "--items=400", "--queries=20")
    exact, *approximate = page.rows("retrieval")
    assert exact[:2] == ["generated, 400", "exact"]
    assert [row[1].split()[-1] for row in approximate] == ["32", "128", "512"]
    assert float(approximate[-1][2]) > 0.95


def test_the_service_under_load(dataset, trained_run, page, start):
    unknown = Recommender.load(trained_run, dataset).unknown_words(" ".join(FACTUAL_WORDS))
    words = f"--words={','.join(set(FACTUAL_WORDS) - set(unknown))}"
    places = [f"--workdir={trained_run}", f"--dataset={dataset.folder}"]
    start("service.load_test", *places, words, "--seconds=0.2", "--clients=2")
    rows = page.rows("serving")
    assert len({row[0] for row in rows}) == len(rows) == 5
    assert all(int(row[2]) > 0 for row in rows)
