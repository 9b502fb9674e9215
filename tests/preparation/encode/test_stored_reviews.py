import contextlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.preparation.encode.stored_reviews import StoredTexts

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=8)


@given(st.lists(TEXTS, max_size=4))
def test_texts_come_back(tmp_path_factory, blocks):
    texts = [text for block in blocks for text in block]
    with contextlib.closing(StoredTexts(tmp_path_factory.mktemp("t") / "texts")) as stored:
        for block in blocks:
            # Of a slice, only the rows within count.
            stored.append(pa.array(["before", *block, "after"], pa.large_string())[1:-1])
        assert list(stored) == texts
        assert len(stored) == len(texts)
        assert stored[1:3] == texts[1:3]
        if texts:
            assert stored[-1] == texts[-1]
        with pytest.raises(IndexError):
            stored[len(texts)]
