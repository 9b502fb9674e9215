import json

import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.errors import DataError
from symcere_jax.text.hub.pooling import POOLINGS, SentenceSettings, pool
from tests.text.hub.models import write_sentence_settings


@pytest.mark.parametrize("pooling", POOLINGS)
def test_only_the_tokens_of_a_text_count(pooling):
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(3, 5, 4)).astype(np.float32) - 2  # below 0: padding is no maximum
    lengths = np.array([5, 2, 0], np.int32)
    found = np.asarray(pool(jnp.asarray(hidden), jnp.asarray(lengths), pooling))
    for row, length in enumerate(lengths[:2]):
        tokens = hidden[row, :length].astype(float)
        expected = {
            "mean": tokens.mean(axis=0),
            "cls": tokens[0],
            "max": tokens.max(axis=0),
            "lasttoken": tokens[-1],
        }[pooling]
        np.testing.assert_allclose(found[row], expected, atol=1e-6)
    assert not found[2].any()


def test_a_folder_that_says_nothing(tmp_path):
    assert SentenceSettings.read(tmp_path, "lasttoken") == SentenceSettings("lasttoken")


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode": "max"}, "max"),
        ({"pooling_mode": ["lasttoken"], "embedding_dimension": 3}, "lasttoken"),
    ],
)
def test_a_folder_of_sentence_transformers(tmp_path, pooling, expected):
    prompts = {"prompts": {"query": "q: ", "passage": "p: "}, "default_prompt_name": "query"}
    write_sentence_settings(tmp_path, pooling, prompts, max_seq_length=9, do_lower_case=True)
    assert SentenceSettings.read(tmp_path, "mean") == SentenceSettings(expected, 9, "p: ", True)


def test_the_default_prompt_where_there_is_none_for_passages(tmp_path):
    prompts = {"prompts": {"cluster": "c: ", "query": "q: "}, "default_prompt_name": "cluster"}
    write_sentence_settings(tmp_path, prompts=prompts)
    assert SentenceSettings.read(tmp_path, "mean").prefix == "c: "


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("modules.json", "{", "not readable as JSON"),
        ("modules.json", "{}", "expected list at the top"),
        ("modules.json", json.dumps([{"type": "s.Dense", "path": ""}]), "modules of type Dense"),
        ("1_Pooling/config.json", '{"pooling_mode": "weightedmean"}', "pooling .'weightedmean'."),
        (
            "1_Pooling/config.json",
            '{"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}',
            "must be one of mean, cls, max, lasttoken",
        ),
    ],
)
def test_what_is_malformed_or_unknown(tmp_path, name, content, message):
    write_sentence_settings(tmp_path, pooling={"pooling_mode": "mean"})
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        SentenceSettings.read(tmp_path, "mean")
