"""Whole runs: what is trained and what is not, what is chosen, going on, what is refused."""

import json
import shutil

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.linalg
import transformers

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import BusyError, CheckpointError, ConfigError, DataError, SymcereError
from symcere_jax.locking import locked
from symcere_jax.text.finetuning import FinetuneConfig, finetune, progress, run
from symcere_jax.text.finetuning.run import map_to_width
from symcere_jax.text.language_models import SentenceEncoder
from symcere_jax.text.language_models.checkpoint import Checkpoint
from tests.text.finetuning.small import prepare_reviews
from tests.text.language_models.models import (
    WIDTH,
    make_model,
    random_texts,
    torch_vectors,
    write_sentence_settings,
)

CONFIG = FinetuneConfig(
    layers=1, epochs=3, batch_size=16, learning_rate=3e-3, temperature=0.1, max_length=16
)
PER_EPOCH = 12  # steps, of 16 of the 181 training reviews with text


class _Watcher:
    """Remembers what it is told."""

    def __init__(self):
        self.starts, self.steps, self.epochs = [], [], []

    def start(self, reviews, epochs, progress):
        self.starts.append((reviews, epochs, progress.step))

    def step(self, done, total, loss):
        self.steps.append((done, total, loss))

    def epoch(self, number, loss, score, best):
        self.epochs.append((number, loss, score, best))


@pytest.fixture(scope="module")
def done(words, bert, tmp_path_factory):
    """A run from beginning to end: its output, its result, what was observed."""
    output = tmp_path_factory.mktemp("done") / "model"
    watcher = _Watcher()
    result = finetune(CONFIG, words, str(bert[0]), output, observer=watcher)
    return output, result, watcher


def _content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_last_layer_moves_and_all_else_stays(done, bert):
    before, after = (Checkpoint.open(folder).parameters for folder in (bert[0], done[0]))
    for name, leaf in jax.tree.leaves_with_path(before):
        other = dict(jax.tree.leaves_with_path(after))[name]
        is_trained = "layer_1" in jax.tree_util.keystr(name)
        assert (np.asarray(leaf) != np.asarray(other)).any() == is_trained, name


def test_loss_falls_and_reviews_find_their_items(done, words):
    _, result, watcher = done
    assert watcher.starts == [(181, 3, 0)]
    numbers, losses, scores, best = zip(*watcher.epochs, strict=True)
    assert numbers == (0, 1, 2, 3) and losses[0] is None
    assert losses[1] > losses[2] > losses[3]
    assert scores == result.scores and result.complete and result.epochs == 3
    assert max(scores) > scores[0] + 0.05
    assert result.best_epoch == int(np.argmax(scores)) > 0
    assert best == tuple(score > max(scores[:n], default=0) for n, score in enumerate(scores))
    done_reviews, totals, step_losses = zip(*watcher.steps, strict=True)
    assert len(step_losses) == 3 * PER_EPOCH and set(totals) == {3 * 181}
    assert done_reviews[0] == 16 and done_reviews[PER_EPOCH - 1] == 181
    assert done_reviews[-1] == 3 * 181 and list(done_reviews) == sorted(done_reviews)
    assert losses[2] == pytest.approx(np.mean(step_losses[PER_EPOCH : 2 * PER_EPOCH]))


def test_the_record_says_what_was_done(done, bert, words):
    output, result, watcher = done
    record = json.loads((output / "finetuning.json").read_text())
    assert record["settings"]["text_model"] == str(bert[0])
    assert record["settings"]["layers"] == 1 and record["settings"]["dataset"] == words.name
    assert [epoch["valid"] for epoch in record["epochs"]] == list(result.scores)
    assert [epoch.get("loss") for epoch in record["epochs"]] == [e[1] for e in watcher.epochs]
    assert record["best_epoch"] == result.best_epoch
    assert len(record["trained_tensors"]) == 16
    assert all(name.startswith("encoder.layer.1.") for name in record["trained_tensors"])
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_torch_computes_the_same_vectors_and_the_best_score_is_theirs(done, words):
    output, result, _ = done
    texts = random_texts(9, 12)
    made = SentenceEncoder(output).encode(texts)
    model = transformers.AutoModel.from_pretrained(output).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(output)(texts)["input_ids"]
    np.testing.assert_allclose(made, torch_vectors(model, tokens, "mean"), atol=1e-4)

    table = words.reviews(["text", "item", "split"]).to_pylist()
    by_split = {
        split: [row for row in table if row["split"] == split and row["text"].strip()]
        for split in ("train", "valid")
    }
    vectors = {
        split: torch_vectors(
            model,
            transformers.AutoTokenizer.from_pretrained(output)([row["text"] for row in rows])[
                "input_ids"
            ],
            "mean",
        )
        for split, rows in by_split.items()
    }
    of_item = np.array([row["item"] for row in by_split["train"]])
    means = np.stack([vectors["train"][of_item == n].mean(axis=0) for n in range(words.n_items)])
    cosines = vectors["valid"] @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    own = np.array([row["item"] for row in by_split["valid"]])
    ranks = (cosines >= cosines[np.arange(len(own)), own][:, None]).sum(axis=1)
    assert result.scores[result.best_epoch] == pytest.approx((1 / ranks).mean(), abs=0.01)


def test_a_run_gives_the_same_bytes_again(done, words, bert, tmp_path):
    other = prepare_reviews(tmp_path)
    assert other.fingerprint == words.fingerprint
    finetune(CONFIG, other, str(bert[0]), tmp_path / "again")
    assert _content(tmp_path / "again") == _content(done[0])


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("stop_at", [0, 5, PER_EPOCH, PER_EPOCH + 7])
def test_a_run_that_was_told_to_stop_goes_on_to_the_same_bytes(
    done, words, bert, tmp_path, stop_at
):
    watcher = _Watcher()
    asked = lambda: len(watcher.steps) == stop_at  # noqa: E731
    where = (CONFIG, words, str(bert[0]), tmp_path / "model")
    result = finetune(*where, observer=watcher, should_stop=asked)
    assert not result.complete and result.epochs == stop_at // PER_EPOCH
    assert [path.name for path in tmp_path.iterdir()] == ["model.partial"]
    again = _Watcher()
    assert finetune(*where, observer=again) == done[1]
    assert again.starts == [(181, 3, stop_at)]
    assert len(again.steps) == 3 * PER_EPOCH - stop_at
    assert _content(tmp_path / "model") == _content(done[0])
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_run_towards_embeddings_goes_on_to_the_same_bytes(words, bert, tmp_path):
    embeddings = np.random.default_rng(0).normal(size=(words.n_items, 6))
    for name, stop_at in (("whole", -1), ("stopped", PER_EPOCH + 2)):
        watcher = _Watcher()
        asked = lambda w=watcher, n=stop_at: len(w.steps) == n  # noqa: E731
        for stop in (asked, lambda: False):
            if not (tmp_path / name).exists():
                finetune(
                    CONFIG, words, str(bert[0]), tmp_path / name, item_embeddings=embeddings,
                    observer=watcher, should_stop=stop,
                )  # fmt: skip
        assert len(watcher.steps) == 3 * PER_EPOCH and len(watcher.starts) == 1 + (stop_at > 0)
    assert _content(tmp_path / "whole") == _content(tmp_path / "stopped")


@pytest.mark.parametrize("die_at", [3, PER_EPOCH + 3, 3 * PER_EPOCH - 1])
def test_a_run_that_was_killed_goes_on_from_its_last_epoch(done, words, bert, tmp_path, die_at):
    class Killer(_Watcher):
        def step(self, done, total, loss):
            super().step(done, total, loss)
            if len(self.steps) == die_at:
                raise _KilledError

    where = (CONFIG, words, str(bert[0]), tmp_path / "model")
    with pytest.raises(_KilledError):
        finetune(*where, observer=Killer())
    again = _Watcher()
    assert finetune(*where, observer=again) == done[1]
    assert again.starts == [(181, 3, die_at // PER_EPOCH * PER_EPOCH)]
    assert _content(tmp_path / "model") == _content(done[0])


def test_a_kill_while_the_model_is_written_leaves_nothing_under_its_name(
    done, words, bert, tmp_path, monkeypatch
):
    def die(*arguments):
        (arguments[1] / "half").touch()
        raise _KilledError

    where = (CONFIG, words, str(bert[0]), tmp_path / "model")
    with monkeypatch.context() as patch:
        patch.setattr(run, "write_changed", die)
        with pytest.raises(_KilledError):
            finetune(*where)
    assert not (tmp_path / "model").exists()
    assert finetune(*where) == done[1]
    assert _content(tmp_path / "model") == _content(done[0])


def test_a_model_that_only_gets_worse_is_written_as_it_was(words, bert, tmp_path, monkeypatch):
    scores = iter([0.5, 0.4, 0.5, 0.3])
    monkeypatch.setattr(run.Retrieval, "score", lambda *arguments: next(scores))
    result = finetune(CONFIG, words, str(bert[0]), tmp_path / "model")
    assert (result.best_epoch, result.scores) == (0, (0.5, 0.4, 0.5, 0.3))
    before, after = (
        (folder / "model.safetensors").read_bytes() for folder in (bert[0], tmp_path / "model")
    )
    assert before == after


def test_reviews_are_pulled_to_given_embeddings(words, bert, tmp_path, monkeypatch):
    """Items in two groups that their embeddings alone tell: reviews learn which they are of."""
    group = np.arange(words.n_items) % 2
    embeddings = np.random.default_rng(0).normal(size=(words.n_items, 6)) + 9 * np.eye(6)[group]
    config = FinetuneConfig(layers=2, epochs=4, batch_size=16, learning_rate=3e-3, temperature=0.3)
    watcher = _Watcher()
    scores = iter([0.1, 0.2, 0.3, 0.4, 0.5])  # each epoch is better: the last one is written
    monkeypatch.setattr(run.Retrieval, "score", lambda *arguments: next(scores))
    finetune(
        config, words, str(bert[0]), tmp_path / "model", item_embeddings=embeddings,
        observer=watcher,
    )  # fmt: skip
    assert watcher.epochs[-1][1] < watcher.epochs[1][1]

    def separation(folder):
        table = words.reviews(["text", "item", "split"]).to_pylist()
        rows = [row for row in table if row["split"] == "train" and row["text"].strip()]
        vectors = SentenceEncoder(folder).encode([row["text"] for row in rows])
        of_item = np.array([row["item"] for row in rows])
        means = np.stack([vectors[of_item == n].mean(axis=0) for n in range(words.n_items)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        same = group[:, None] == group
        cosines = means @ means.T
        return cosines[same & ~np.eye(len(group), dtype=bool)].mean() - cosines[~same].mean()

    assert separation(tmp_path / "model") > separation(bert[0]) + 0.1


@pytest.mark.parametrize("width", [5, WIDTH, WIDTH + 9])
def test_embeddings_are_turned_to_texts_without_change_of_their_angles(width):
    rng = np.random.default_rng(0)
    embeddings, text = rng.normal(size=(50, width)), rng.normal(size=(50, WIDTH))
    text[7] = 0
    made = map_to_width(embeddings, text.astype(np.float32))
    assert made.shape == (50, WIDTH) and made.dtype == np.float32
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    if width <= WIDTH:
        np.testing.assert_allclose(made @ made.T, unit @ unit.T, atol=1e-5)
    if width == WIDTH:
        turn, _ = scipy.linalg.orthogonal_procrustes(unit, text)
        np.testing.assert_allclose(made, unit @ turn, atol=1e-5)
    with pytest.raises(DataError, match="embeddings of 49 items, but there are 50"):
        map_to_width(embeddings[1:], text)


def _refused(error, match, words, bert, output, config=CONFIG, **more):
    names = sorted(path.name for path in output.parent.iterdir())
    with pytest.raises(error, match=match):
        finetune(config, words, str(bert), output, **more)
    assert sorted(path.name for path in output.parent.iterdir()) == names


def test_settings_that_do_not_fit(words, bert, tmp_path):
    output = tmp_path / "model"
    config = FinetuneConfig(layers=3)
    _refused(ConfigError, r"--layers=3, but .* has 2 layers", words, bert[0], output, config)
    inside = bert[0] / "sub" / "model"
    inside.parent.mkdir()
    _refused(ConfigError, "is within the model's folder", words, bert[0], inside)
    inside.parent.rmdir()
    for name, value in (("layers", 0), ("epochs", 0), ("batch_size", 1), ("temperature", 0.0)):
        with pytest.raises(ConfigError, match=f"--{name} is {value}, must be"):
            FinetuneConfig(**{name: value})


def test_an_output_that_exists_or_is_in_use(words, bert, tmp_path):
    output = tmp_path / "model"
    output.mkdir()
    _refused(ConfigError, "model exists; choose another --output", words, bert[0], output)
    output.rmdir()
    output.symlink_to(tmp_path / "nowhere")
    _refused(ConfigError, "model exists", words, bert[0], output)
    output.unlink()
    with (
        locked(tmp_path / ".model.lock", "--output", "wait"),
        pytest.raises(BusyError, match="in use"),
    ):
        finetune(CONFIG, words, str(bert[0]), output)


def test_models_that_cannot_be_trained(words, bert, tmp_path):
    folder = shutil.copytree(bert[0], tmp_path / "source")
    output = tmp_path / "model"
    (folder / "config.json").write_text(json.dumps({"model_type": "t5"}))
    _refused(DataError, "models of type 't5' are not known", words, folder, output)
    (folder / "config.json").unlink()
    _refused(DataError, "is not the folder of a model", words, folder, output)


def test_data_without_what_is_needed(words, bert, tmp_path):
    table = words.reviews().to_pylist()
    for name, keep, message in (
        ("none", lambda row: False, "has 0 items with two training reviews that have text"),
        ("one", lambda row: row["item"] == 3, "has 1 items with two training reviews"),
        ("train", lambda row: row["split"] != "valid", "has no valid review with text of an item"),
    ):
        folder = shutil.copytree(words.folder, tmp_path / name)
        rows = [row if keep(row) else row | {"text": "  "} for row in table]
        changed = pa.Table.from_pylist(rows, words.reviews().schema)
        pq.write_table(changed, folder / schema.REVIEWS)
        manifest = schema.Manifest.read(folder)
        manifest.files[schema.REVIEWS] = schema.file_entry(folder / schema.REVIEWS)
        manifest.write(folder)
        _refused(DataError, message, ReviewDataset.load(folder), bert[0], tmp_path / "model")


def test_the_beginning_of_another_run_and_a_damaged_one(words, bert, tmp_path):
    where = (words, str(bert[0]), tmp_path / "model")
    finetune(CONFIG, *where, should_stop=lambda: True)
    other = FinetuneConfig(**{**CONFIG.__dict__, "learning_rate": 0.5})
    with pytest.raises(CheckpointError, match=r"another run \(learning_rate=0.5, there 0.003\)"):
        finetune(other, *where)
    with pytest.raises(CheckpointError, match=r"another run \(targets=embeddings \w+, there other"):
        finetune(CONFIG, *where, item_embeddings=np.ones((words.n_items, 3)))
    path = tmp_path / "model.partial" / progress.FILE
    whole = path.read_bytes()
    for place in (-5, len(whole) // 2):  # of a number: nothing but the checksum tells
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(
            CheckpointError, match=r"is damaged \(its checksum is another\): delete"
        ):
            finetune(CONFIG, *where)
    path.write_bytes(whole[:-9])
    with pytest.raises(CheckpointError, match=r"progress\.safetensors is damaged"):
        finetune(CONFIG, *where)


def test_a_loss_that_is_not_finite_ends_the_run(words, bert, tmp_path):
    config = FinetuneConfig(**{**CONFIG.__dict__, "learning_rate": 1e30})
    with pytest.raises(SymcereError, match="the loss is not finite at step"):
        finetune(config, words, str(bert[0]), tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("kind", ["mpnet", "qwen3"])
def test_other_families(words, tmp_path, kind):
    make_model(tmp_path / "source", kind)
    write_sentence_settings(tmp_path / "source", {"pooling_mode_mean_tokens": True})
    config = FinetuneConfig(**{**CONFIG.__dict__, "epochs": 1})
    result = finetune(config, words, str(tmp_path / "source"), tmp_path / "model")
    assert result.complete and len(result.scores) == 2
    record = json.loads((tmp_path / "model" / "finetuning.json").read_text())
    assert all("layer.1." in n or "layers.1." in n for n in record["trained_tensors"])
