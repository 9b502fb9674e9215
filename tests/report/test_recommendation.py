import json

import numpy as np
from tests.reporting.test_explanation import WORDS, printed
from tests.reporting.test_html import Reader

from symcere_jax.explain.recommendation import (
    Neighbor,
    RecommendationExplanation,
    ReviewEvidence,
)
from symcere_jax.report import recommendation

NAMED = recommendation.Named(
    users=np.array(["ann", "<i>bob</i>"], dtype=object), items=np.array(["pump", "hose"], object)
)
RECOMMENDATION = RecommendationExplanation(
    user=1,
    item=0,
    score=2.5,
    rank=3,
    popularity=0.25,
    neighbors=[
        Neighbor("item", 1, 1, 0.25, 1.5, 0.125),
        *(Neighbor("user", 0, 2, 0.0, 0.05) for _ in range(10)),
    ],
    by_user=[ReviewEvidence(4, 1, 1, WORDS)],
    about_item=[],
)


def test_files_of_recommendations(tmp_path):
    paths = recommendation.write_recommendation_explanations(
        [RECOMMENDATION], NAMED, tmp_path, "shop"
    )
    (one,) = json.loads(paths[0].read_text(encoding="utf-8"))["recommendations"]
    assert (one["user_id"], one["item_id"], one["rank"]) == ("<i>bob</i>", "pump", 3)
    assert one["neighbors"][0] == {
        "kind": "item",
        "id": "hose",
        "steps": 1,
        "graph": 0.25,
        "text": 1.5,
        "nearness": 0.125,
    }
    page = paths[1].read_text(encoding="utf-8")
    text = Reader(page).text
    assert "<i>" not in page
    assert "1 further nodes+0.050" in text
    assert "popularity prior+0.250" in text
    assert "There are none in the training data." in text


def test_recommendations_on_the_terminal():
    text = printed(*recommendation.recommendation_tables(RECOMMENDATION, NAMED))
    assert "pump for <i>bob</i>: score 2.500, rank 3" in text
    assert "by the user: <i>bob</i> on hose" in text
