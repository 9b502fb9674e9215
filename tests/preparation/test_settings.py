from pathlib import Path
from typing import get_args

import pytest

from symcere_jax.errors import ConfigError
from symcere_jax.preparation.settings import PrepareSettings, SourceName
from symcere_jax.preparation.sources import SOURCES


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k_core": 0}, "--k_core is 0, must be at least 1"),
        ({"text_width": 0}, "--text_width is 0"),
        ({"synthetic_users": 0}, "--synthetic_users is 0"),
        ({"synthetic_reviews_per_user": 0.5}, "--synthetic_reviews_per_user is 0.5"),
        ({"synthetic_reviews_per_user": float("nan")}, "--synthetic_reviews_per_user is nan"),
        ({"seed": -1}, "--seed is -1, must be at least 0"),
        ({"delimiter": ""}, "--delimiter is ''"),
        ({"delimiter": '"'}, "--delimiter is '\"'"),
        ({"delimiter": "::", "quoting": "doubled"}, "--delimiter is '::'"),
        ({"encoding": "utf-9"}, "--encoding is 'utf-9'"),
        ({"valid_share": -0.1}, "--valid_share is -0.1"),
        ({"test_share": float("nan")}, "--test_share is nan"),
        ({"valid_share": 0.5, "test_share": 0.5}, "their sum must be below 1"),
        ({"min_valid_rating": 6.0}, "--min_valid_rating=6.0 must be below --max_valid_rating=5.0"),
        ({"valid_from": "2018-07-01"}, "give --valid_from and --test_from together"),
        ({"valid_from": "July", "test_from": "2019-01-01", "split": "global_time"}, "is 'July'"),
        (
            {"valid_from": "2019-07-01", "test_from": "2019-01-01", "split": "global_time"},
            "is later than",
        ),
        ({"fold": 5}, "--fold=5 must be below --folds=5"),
        ({"split": "random"}, "--split is 'random', must be one of: ratio, leave_one_out"),
        ({"text_encoder": "bert"}, "--text_encoder is 'bert'"),
        ({"input": Path("x.csv")}, "--input is given"),
        ({"source": "yelpp"}, "--source is 'yelpp', must be one of: amazon_2014"),
        ({"user_field": ""}, "--user_field is empty"),
        ({"text_field": ""}, "--text_field is empty, but --text_encoder=lsa"),
        ({"split_field": "", "split": "predefined"}, "but --split=predefined needs it"),
        ({"append": True, "split": "temporal"}, "--append does not allow --split=temporal"),
        ({"memory": "1MiB"}, "--memory is '1MiB', must be at least 512MiB"),
        ({"memory": "much"}, "--memory is 'much', must be like"),
        ({"sha256": "abc"}, "--sha256 is 'abc'"),
        ({"split": "cold_user", "min_history": 2}, "would leave nothing of --split=cold_user"),
    ],
)
def test_a_bad_setting_is_named(settings, message):
    with pytest.raises(ConfigError) as error:
        PrepareSettings(**({"source": "synthetic", "output": Path("out")} | settings))
    assert message in str(error.value)


def test_the_sources_are_those_of_the_setting():
    assert set(SOURCES) == set(get_args(SourceName))
