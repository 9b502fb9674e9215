"""Words are those of scikit-learn's vectorisers."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from symcere_jax.text.encoders import words
from symcere_jax.text.encoders.words import (
    UNKNOWN,
    StoredWords,
    WordNumbers,
    single_documents,
    split_words,
)

analyse = CountVectorizer(stop_words="english").build_analyzer()
TEXTS = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.lists(st.sampled_from(["The", "Brake", "brake,", "a", "ÉTÉ", "x_1", "é", "OF"])).map(
            " ".join
        ),
    ),
    max_size=6,
)


def spelled(batch, numbers: WordNumbers) -> list[list[str | None]]:
    """The words of each document."""
    flat, ends = batch
    names = numbers.names()
    starts = [0, *ends.tolist()]
    return [
        [names.get(word) for word in flat[start:end].tolist()]
        for start, end in zip(starts, ends.tolist(), strict=False)
    ]


@given(texts=TEXTS)
def test_learned_words_are_those_of_scikit_learn(texts):
    numbers = WordNumbers(1000)
    batch = numbers.learn(texts)
    assert batch[0].dtype == np.int32
    assert spelled(batch, numbers) == [analyse(text) for text in texts]


def test_words_that_no_training_text_has_are_unknown():
    numbers = WordNumbers(1000)
    numbers.learn(["red brake"])
    flat, ends = split_words(["the red tent brake", "", "tent"], numbers.known)
    assert flat.tolist() == [0, UNKNOWN, 1, UNKNOWN]
    assert ends.tolist() == [3, 3, 4]
    assert len(numbers.names()) == 2


def test_when_there_are_too_many_words_the_rare_are_forgotten():
    numbers = WordNumbers(4)
    numbers.learn(["red red red brake brake tent"])
    numbers.learn(["hose lens red"])  # five words: the two most frequent stay
    assert list(numbers.names().values()) == ["red", "brake"]
    flat, _ = numbers.learn(["tent red"])  # as if it came for the first time
    assert flat.tolist() == [5, 0]
    assert numbers.names() == {0: "red", 1: "brake", 5: "tent"}


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("batch_words", [1, 7, 1 << 20])
def test_documents_are_joined_texts(tmp_path, monkeypatch, on_disk, batch_words):
    monkeypatch.setattr(words, "_BATCH_WORDS", batch_words)
    monkeypatch.setattr(words, "_BLOCK_TEXTS", 3)
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in rng.integers(10, 20, size=n % 5)) for n in range(20)]
    rows = np.flatnonzero(rng.random(20) < 0.7)
    owner = rng.integers(0, 6, size=len(rows)) // 2 * 2  # 1, 3 and 5 own none
    numbers = WordNumbers(100)
    stored = StoredWords(texts, rows, numbers, tmp_path if on_disk else None)
    found = [document for b in stored.documents(owner, 6) for document in spelled(b, numbers)]
    joined = (" ".join(texts[row] for row in rows[owner == one]) for one in range(6))
    expected = [analyse(text) for text in joined]
    assert found == expected
    assert any(expected)
    alone = [
        document
        for batch in single_documents(texts, numbers.known)
        for document in spelled(batch, numbers)
    ]
    assert [alone[row] for row in rows] == [analyse(texts[row]) for row in rows]


def test_no_words_at_all(tmp_path):
    stored = StoredWords(["", "the"], np.arange(2), WordNumbers(9), tmp_path)
    ((flat, ends),) = stored.documents(np.array([0, 1]), 3)
    assert len(flat) == 0
    assert ends.tolist() == [0, 0, 0]


def test_scikit_learn_is_imported_only_when_texts_are_split():
    script = (
        "import sys; import symcere_jax.text; assert 'sklearn' not in sys.modules\n"
        "from symcere_jax.text.encoders.words import WordNumbers; WordNumbers(9)\n"
        "assert 'sklearn' in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
