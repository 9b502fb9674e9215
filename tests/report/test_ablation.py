import dataclasses
import json

import numpy as np
import pytest

from symcere_jax.errors import DataError
from symcere_jax.report.ablation import (
    ablation_figure,
    ablation_markdown,
    ablation_table,
    read_ablation,
    write_ablation,
)
from symcere_jax.report.style import COLORS
from symcere_jax.study.ablation import RECORD, Ablation

SKILLS = {"full": 0.5, "worse": 0.1, "alike": 0.5}
SEEDS = (3, 4)
CHANGES = {"full": {}, "worse": {"n_layers": 0}, "alike": {"normalize": False}}
ABLATION = Ablation(CHANGES, {"no_text": "full"}, SEEDS, complete=True)


@pytest.fixture(scope="module")
def workdir(score_run, tmp_path_factory):
    """Scored runs; those of "alike" are the runs of "full" with the seeds exchanged."""
    workdir = tmp_path_factory.mktemp("ablation")
    for name, skill in SKILLS.items():
        for seed in SEEDS:
            origin = sum(SEEDS) - seed if name == "alike" else seed
            folder = score_run(workdir / name / f"seed_{seed}", seed=origin, skill=skill)
            correlation = None if name == "worse" and seed == 4 else seed / 10
            record = {"norm_popularity": correlation, "valid_ndcg@10": skill + seed / 100}
            (folder / RECORD).write_text(json.dumps(record))
    return workdir


@pytest.fixture(scope="module")
def table(workdir, dataset):
    return ablation_table(ABLATION, dataset, workdir)


def per_user(workdir, name):
    rows = [np.load(workdir / name / f"seed_{seed}" / "per_user_test.npz") for seed in SEEDS]
    return np.stack([row["ndcg@10"] for row in rows])


def test_means_and_deviations_over_seeds(table, workdir, dataset):
    assert [variant.name for variant in table.variants] == list(SKILLS)
    assert [variant.changes for variant in table.variants] == list(CHANGES.values())
    assert table.n_users == len(np.unique(dataset.test[:, 0]))
    for variant in table.variants:
        means = per_user(workdir, variant.name).mean(axis=1)
        assert variant.seed_means == pytest.approx(means)
        assert variant.mean == pytest.approx(means.mean())
        assert variant.seed_std == pytest.approx(abs(means[0] - means[1]) / np.sqrt(2))


def test_other_seeds_of_the_folders_are_left_alone(workdir, dataset):
    (one, _, _) = ablation_table(
        dataclasses.replace(ABLATION, seeds=SEEDS[:1]), dataset, workdir
    ).variants
    assert one.mean == pytest.approx(per_user(workdir, "full")[0].mean())
    assert one.seed_std is None


def test_variants_are_tested_against_the_first_one(table, workdir):
    full, worse, alike = table.variants
    assert full.test is None
    difference = (per_user(workdir, "worse") - per_user(workdir, "full")).mean()
    assert worse.test.difference == pytest.approx(difference)
    assert worse.test.low < difference < worse.test.high < 0
    assert worse.test.p_permutation_holm == pytest.approx(2 * worse.test.p_permutation)
    assert worse.test.p_permutation_holm < 0.001
    assert (alike.test.difference, alike.test.p_permutation_holm) == (0, 1)


def test_correlations_are_averaged_over_seeds_unless_one_is_undefined(table):
    correlations = [variant.norm_popularity for variant in table.variants]
    assert correlations == [pytest.approx(0.35), None, pytest.approx(0.35)]


def test_the_markdown_has_a_row_a_variant(table):
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in ablation_markdown(table).splitlines()
        if line.startswith("|")
    ]
    assert len({len(row) for row in rows}) == 1
    full, worse, alike = rows[2:]
    variant = table.variants[1]
    assert full[0] == "full"
    assert full[2:5] == ["–", "–", "–"]
    assert worse[1] == f"{variant.mean:.4f} ± {variant.seed_std:.4f}"
    relative = variant.test.difference / table.variants[0].mean
    assert worse[2] == f"{variant.test.difference:+.4f} ({relative:+.1%})"
    assert worse[3] == f"[{variant.test.low:+.4f}, {variant.test.high:+.4f}]"
    assert (worse[-2], alike[-2], alike[4]) == ("–", "+0.35", "1.0000")
    assert [row[-1] for row in rows[2:]] == ["0.5350", "0.1350", "0.5350"]
    assert "Not run: no_text, which is the same as full here." in ablation_markdown(table)


def test_one_seed_has_no_deviation(score_run, dataset, tmp_path):
    for name in ("full", "other"):
        folder = score_run(tmp_path / name / "seed_0", skill=0.3)
        (folder / RECORD).write_text('{"norm_popularity": 0.1, "valid_ndcg@10": 0.2}')
    one = Ablation({"full": {}, "other": {}}, {}, (0,), complete=True)
    table = ablation_table(one, dataset, tmp_path)
    assert table.variants[0].seed_std is None
    assert f"| full | {table.variants[0].mean:.4f} | – |" in " ".join(
        ablation_markdown(table).split()
    )
    (axes,) = ablation_figure(table).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["full", "other"]


def test_the_plot_marks_what_differs(table):
    (axes,) = ablation_figure(table).axes
    seeds = [line for line in axes.lines if line.get_marker() == "."]
    assert [line.get_color() for line in seeds] == [COLORS[0], COLORS[1], "0.4"]
    assert [list(line.get_xdata()) for line in seeds] == [
        list(variant.seed_means) for variant in table.variants
    ]


def test_files(table, tmp_path):
    paths = write_ablation(table, tmp_path)
    assert [path.name for path in paths] == ["ablation.md", "ablation.json", "ablation.png"]
    assert paths[0].read_text(encoding="utf-8") == ablation_markdown(table)
    content = json.loads(paths[1].read_text(encoding="utf-8"))
    assert content["metric"] == "ndcg@10"
    assert content["variants"][1]["changes"] == {"n_layers": 0}
    assert content["variants"][1]["test"]["difference"] == table.variants[1].test.difference
    assert paths[2].read_bytes().startswith(b"\x89PNG")


def test_a_missing_run_is_named(workdir, dataset):
    missing = Ablation({**CHANGES, "other": {}}, {}, SEEDS, complete=True)
    with pytest.raises(DataError, match=r"other/seed_3 has no metrics_test\.json"):
        ablation_table(missing, dataset, workdir)


def test_what_was_written_can_be_read(table, tmp_path):
    write_ablation(table, tmp_path)
    assert read_ablation(tmp_path) == table
    with pytest.raises(DataError, match="no ablation"):
        read_ablation(tmp_path / "absent")
