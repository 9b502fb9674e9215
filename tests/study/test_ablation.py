import json
import shutil

import numpy as np
import pytest
from scipy import stats

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.evaluation import evaluate
from symcere_jax.models import resolve, score_block
from symcere_jax.settings import Settings
from symcere_jax.study import ablation as module
from symcere_jax.study.workers import Epoch
from symcere_jax.training import Checkpoints, load_embeddings, load_model
from symcere_jax.training.metric_log import read_metric_log
from tests.quick import QUICK
from tests.study.observer import NotingObserver

BASE = Settings(**QUICK)
VARIANTS = {"full": {}, "no_normalization": {"normalize": False}, "one_epoch": {"epochs": 1}}


def never():
    return False


@pytest.fixture(scope="module")
def scored(dataset, tmp_path_factory):
    """A job that was really trained and scored, and what it reported."""
    job = module.VariantRun(BASE, dataset.folder, tmp_path_factory.mktemp("runs") / "seed_0")
    reports = []
    assert module.run_variant(job, reports.append, never) == job.name
    return job, reports


def test_a_job_reports_its_epochs(scored):
    job, reports = scored
    records = read_metric_log(job.workdir)
    assert reports == [
        Epoch(job.name, row, record["ndcg@10"]) for row, record in enumerate(records)
    ]
    assert len(reports) == 2


def test_a_job_is_scored_on_the_test_split(scored, dataset):
    job, _ = scored
    embeddings, _ = load_embeddings(job.workdir, dataset)
    expected = evaluate(score_block, embeddings, dataset, "test")
    metrics = json.loads((job.workdir / "metrics_test.json").read_text())
    assert metrics["ndcg@10"] == expected.metrics["ndcg@10"]
    assert not (job.workdir / "metrics_valid.json").exists()
    assert len(Checkpoints(job.workdir).numbers()) == 1


def test_the_record_has_the_norms_before_normalization(scored, dataset):
    job, reports = scored
    record = json.loads((job.workdir / module.RECORD).read_text())
    assert record["settings"] == resolve(BASE, dataset).as_dict()
    assert record["fingerprint"] == dataset.fingerprint
    assert record["valid_ndcg@10"] == max(epoch.score for epoch in reports)
    items = load_model(job.workdir, dataset).main.nodes().fused[dataset.n_users :]
    norms = np.linalg.norm(np.float64(items), axis=1)
    counts = np.bincount(dataset.train[:, 1], minlength=dataset.n_items)
    expected = stats.spearmanr(norms, counts).statistic
    assert record["norm_popularity"] == pytest.approx(expected, abs=1e-3)


def test_experts_with_the_same_settings_are_trained_once(dataset, tmp_path):
    base = BASE.replace(experts="graph,neighbors")
    variants = {"full": {}, "equal": {"expert_weights": "equal"}, "longer": {"epochs": 2}}
    trained = {}
    for name, changes in variants.items():
        reports = []
        folder = tmp_path / name / "seed_0"
        module.run_variant(
            module.VariantRun(base.replace(**changes), dataset.folder, folder),
            reports.append,
            never,
        )
        trained[name] = len(reports)
        assert (folder / "experts" / "graph").is_dir()
    assert trained == {"full": 2, "equal": 0, "longer": 3}


def test_a_job_that_is_told_to_stop_is_not_scored(dataset, tmp_path):
    job = module.VariantRun(BASE, dataset.folder, tmp_path)
    assert module.run_variant(job, lambda epoch: None, lambda: True) is None
    assert not (tmp_path / "metrics_test.json").exists()
    assert not (tmp_path / module.RECORD).exists()
    assert Checkpoints(tmp_path).numbers() == [0]


@pytest.fixture
def worked(monkeypatch, scored):
    """Jobs are not trained, but noted; their folders are filled with those of another run."""
    jobs = []

    def run_tasks(work, waiting, *, processes, on_report, should_stop):
        assert work is module.run_variant
        for job in waiting:
            if should_stop():
                return
            jobs.append(job)
            on_report(Epoch(job.name, 1, 0.5))
            shutil.copytree(scored[0].workdir, job.workdir)
            record = json.loads((job.workdir / module.RECORD).read_text())
            data = ReviewDataset.load(job.dataset)
            record["settings"] = resolve(job.settings, data).as_dict()
            record["fingerprint"] = data.fingerprint
            (job.workdir / module.RECORD).write_text(json.dumps(record))
            scores = job.workdir / "metrics_test.json"
            content = json.loads(scores.read_text()) | {"fingerprint": data.fingerprint}
            scores.write_text(json.dumps(content))
            yield job.name

    monkeypatch.setattr(module, "run_tasks", run_tasks)
    return jobs


def names(jobs):
    return [job.name for job in jobs]


def test_every_variant_is_run_with_every_seed_and_none_twice(worked, dataset, tmp_path):
    base = BASE.replace(seed=5)
    result = module.run_ablation(base, dataset, tmp_path, VARIANTS, seeds=2)
    assert names(worked) == [
        "full/seed_5",
        "no_normalization/seed_5",
        "full/seed_6",
        "no_normalization/seed_6",
    ]
    assert [job.settings for job in worked] == [
        base.replace(seed=seed, normalize=normalize)
        for seed in (5, 6)
        for normalize in (True, False)
    ]
    changes = {variant.name: variant.changes for variant in result.variants}
    assert changes == {name: VARIANTS[name] for name in ("full", "no_normalization")}
    assert result.not_run == {"one_epoch": "the same as full here"}
    assert result.seeds == (5, 6)
    worked.clear()
    assert module.run_ablation(base, dataset, tmp_path, VARIANTS, seeds=2) == result
    assert worked == []
    module.run_ablation(base, dataset, tmp_path, VARIANTS, seeds=3)
    assert names(worked) == ["full/seed_7", "no_normalization/seed_7"]


def test_variants_do_without_experts_that_the_data_cannot_have(
    worked, dataset_without_text, request, tmp_path
):
    variants = module.read_variants(request.config.rootpath / "configs/ablations/experts.json")
    result = module.run_ablation(Settings(), dataset_without_text, tmp_path, variants, seeds=1)
    assert result.not_run["text_alone"] == "text needs text features"
    assert result.not_run["no_neighbors"] == "the same as no_aligned here"
    assert worked[0].settings == Settings()
    [graph_and_times] = {job.settings.experts for job in worked} - {None}
    assert graph_and_times == "graph,times"


def test_an_ablation_that_was_stopped_goes_on(worked, dataset, tmp_path):
    observer = NotingObserver()
    for should_stop in (lambda: len(worked) == 1, lambda: False):
        result = module.run_ablation(
            *(BASE, dataset, tmp_path, VARIANTS),
            seeds=1,
            observer=observer,
            should_stop=should_stop,
        )
        assert (result is None) == (len(worked) == 1)
    full, other = "full/seed_0", "no_normalization/seed_0"
    assert observer.told == [
        *((2, 0), (full, 1), f"{full} done"),
        *((2, 1), (other, 1), f"{other} done"),
    ]


def test_complete_runs_of_other_settings_or_data_are_refused(
    worked, dataset, dataset_without_text, tmp_path
):
    base = BASE.replace(experts="graph")
    module.run_ablation(base, dataset, tmp_path, VARIANTS, seeds=1)
    with pytest.raises(ConfigError, match=r"full/seed_0 holds .* --dropout=0.1 \(was 0.4\)"):
        module.run_ablation(base.replace(dropout=0.1), dataset, tmp_path, VARIANTS, seeds=1)
    with pytest.raises(ConfigError, match=f"data {dataset_without_text.fingerprint} .was"):
        module.run_ablation(base, dataset_without_text, tmp_path, VARIANTS, seeds=1)


def test_impossible_variants_are_refused_before_anything_runs(
    worked, dataset, dataset_without_text, tmp_path
):
    variants = {
        "full": {"experts": "graph"},
        "nothing": {"graph_embeddings": False, "experts": None},
    }
    with pytest.raises(ConfigError, match="variant 'nothing': nothing to learn from"):
        module.run_ablation(BASE, dataset_without_text, tmp_path, variants, seeds=1)
    same = {"full": {}, "one_epoch": {"epochs": 1}}
    with pytest.raises(ConfigError, match="all variants are the same model"):
        module.run_ablation(BASE, dataset, tmp_path, same, seeds=1)
    no_valid = type(dataset)(**{**vars(dataset), "valid": dataset.valid[:0]})
    with pytest.raises(DataError, match=r"valid\.npy has no interactions; .* --valid_share"):
        module.run_ablation(BASE, no_valid, tmp_path, variants, seeds=1)
    assert worked == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not readable as JSON"),
        ("{", "not readable as JSON"),
        ("[]", "at least two"),
        ('{"full": {}}', "at least two"),
        ('{"full": {}, "a/b": {}}', "'a/b' names a folder"),
        ('{"full": {}, "..": {}}', "'..' names a folder"),
        ('{"full": {}, "b": 1}', "variant 'b' must be {setting: value}"),
        ('{"full": {}, "b": {"layers": 1}}', "variant 'b': unknown setting: layers"),
        ('{"full": {}, "b": {"n_layers": -1}}', "variant 'b': --n_layers is -1"),
        ('{"full": {}, "b": {"normalize": "no"}}', "variant 'b': --normalize is 'no'"),
    ],
)
def test_malformed_variants_are_refused(tmp_path, text, message):
    path = tmp_path / "variants.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as error:
        module.read_variants(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_variants_that_come_with_the_program(request, dataset):
    folder = request.config.rootpath / "configs" / "ablations"
    variants = {path.stem: module.read_variants(path) for path in folder.glob("*.json")}
    assert next(iter(variants["paper"].items())) == ("full", {})
    paper, experts = (
        {resolve(Settings(**changes), dataset) for changes in variants[name].values()}
        for name in ("paper", "experts")
    )
    assert len(paper) == len(variants["paper"]) >= 14  # all are different
    names, full = {each.expert_names for each in experts}, resolve(Settings(), dataset)
    for expert in full.expert_names:  # each is left out once
        assert tuple(name for name in full.expert_names if name != expert) in names, expert
