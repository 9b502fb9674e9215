from symcere_jax.evaluation import PairedTest
from symcere_jax.report.ablation_document import NAME, ablation_document
from symcere_jax.report.documents import read_record, write_document
from symcere_jax.report.plots import COLORS
from symcere_jax.report.tables import Table
from symcere_jax.study.ablation import AblationScores, VariantScores

WORSE = PairedTest(-0.1, -0.2, -0.05, 0.001, 0.002, 0.003, 0.004)
ALIKE = PairedTest(0.0, -0.1, 0.1, 1.0, 1.0, 1.0, 1.0)


def variant(name, changes, seed_means, test=None, norm_popularity=0.35):
    mean = sum(seed_means) / len(seed_means)
    seed_std = 0.02 if len(seed_means) > 1 else None
    return VariantScores(
        name=name,
        n_seeds=len(seed_means),
        mean=mean,
        standard_error=0.01,
        seed_std=seed_std,
        beyond_accuracy={"coverage@10": 0.5, "gini@10": 0.6, "popularity@10": 7.0},
        test=test,
        by_item_popularity=[],
        by_user_history=[],
        changes=changes,
        seed_means=seed_means,
        norm_popularity=norm_popularity,
        valid_mean=mean,
    )


SCORES = AblationScores(
    dataset="shop",
    metric="ndcg@10",
    n_users=9,
    seeds=(3, 4),
    variants=(
        variant("full", {}, (0.3, 0.5)),
        variant("worse", {"n_layers": 0}, (0.2, 0.4), WORSE, None),
        variant("$alike$", {"normalize": False}, (0.5, 0.3), ALIKE),
    ),
    not_run={"no_text": "the same as full here"},
)


def test_a_row_a_variant():
    document = ablation_document(SCORES)
    table, changes = [block for block in document.blocks if isinstance(block, Table)]
    full, worse, alike = table.rows
    assert full[:5] == ["full", "0.4000 ± 0.0200", "–", "–", "–"]
    assert worse[2:5] == ["-0.1000 (-25.0%)", "[-0.2000, -0.0500]", "0.0020"]
    assert worse[5:7] == ["0.500", "7.0"]
    assert (worse[7], alike[7], alike[4]) == ("–", "+0.35", "1.0000")
    assert "no_text (the same as full here)" in document.markdown()
    assert changes.summary and ["worse", "n_layers=0"] in changes.rows


def test_the_plot_marks_what_differs():
    (axes,) = ablation_document(SCORES).plot.figure().axes
    seeds = [line for line in axes.lines if line.get_marker() == "."]
    assert [line.get_color() for line in seeds] == [COLORS[0], COLORS[1], "0.4"]
    assert [tuple(line.get_xdata()) for line in seeds] == [v.seed_means for v in SCORES.variants]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["full", "worse", r"\$alike\$"]


def test_what_was_written_can_be_read(tmp_path):
    write_document(ablation_document(SCORES), SCORES, tmp_path, NAME)
    assert read_record(tmp_path / f"{NAME}.json", AblationScores, "") == SCORES
