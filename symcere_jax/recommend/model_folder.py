"""A model folder: all that is needed to recommend, without the reviews.

    model.json               settings, experts, scores, and a checksum of every other file
    embeddings.safetensors   users, items, item_bias, and the columns of neighbors, as `Embeddings`
    histories.safetensors    training items and all known items of each user
    new_rows.safetensors     what embeds new users and items: messages, the text tower, neighbors
    users.parquet            user_id, by row
    items.parquet            item_id, by row, and title where there are titles
    text/                    the text encoder, where there is one
    score.stablehlo          the scoring function, on request (see `compiled_score.py`)

Scores are those of the training run, to the bit. The encoder of latent semantic analysis takes less
space than in the prepared folder; if words occur in many items, features of new texts differ in the
third digit.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict

from symcere_jax.data import Interactions
from symcere_jax.data.schema import file_entry
from symcere_jax.data.stored_files import check_sizes, read_table, verify
from symcere_jax.errors import ConfigError, DataError, StorageError, SymcereError
from symcere_jax.models import Embeddings, ItemNeighbors, Mixture, Share, SymCERE
from symcere_jax.models.fold_in import FoldIn
from symcere_jax.models.symcere import NODE_PARAMS
from symcere_jax.recommend.compiled_score import compile_score
from symcere_jax.recommend.ids import IdMap
from symcere_jax.recommend.text_reader import TextReader
from symcere_jax.settings import COUNTED, ResolvedSettings
from symcere_jax.text import read_text_encoder, save_text_encoder
from symcere_jax.training import Metadata

if TYPE_CHECKING:
    from symcere_jax.recommend.recommender import Recommender

FORMAT, FORMAT_VERSION = "symcere-model", 1
CONTENT = "model.json"
_EMBEDDINGS, _HISTORIES, _NEW_ROWS = (
    f"{name}.safetensors" for name in ("embeddings", "histories", "new_rows")
)
_TEXT = "text"


def is_model_folder(path: str | Path) -> bool:
    """Whether there is a model folder at a path."""
    return (Path(path) / CONTENT).is_file()


def save_model(
    model: "Recommender",
    folder: str | Path,
    scores: Mapping[str, float] | None = None,
    *,
    stablehlo: bool = False,
) -> Path:
    """Writes a model folder; one that is there is replaced, anything else is not.

    A service that runs from the folder takes up the new model.

    Args:
        model: to write.
        folder: complete afterwards, or as it was.
        scores: metrics to keep with the model.
        stablehlo: write the scoring function, too, for JAX without this package.

    Returns:
        The folder.

    Raises:
        ConfigError: something else is at the path, or the extra `export` is not installed.
        StorageError: it cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not is_model_folder(folder):
        raise ConfigError(f"{folder} exists and is not a model folder: choose another path")
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        if stablehlo:
            (aside / "score.stablehlo").write_bytes(compile_score(model.embeddings))
        _write(model, aside, dict(scores or {}))
        if folder.exists():
            earlier = folder.with_name(f".{folder.name}.{os.getpid()}.earlier")
            folder.rename(earlier)
            aside.rename(folder)
            shutil.rmtree(earlier)
        else:
            aside.rename(folder)
    except OSError as error:
        reason = error.strerror or f"is the disk full? {error}"
        raise StorageError(f"cannot write {folder}: {reason}") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _write(model: "Recommender", folder: Path, scores: dict[str, float]) -> None:
    new_rows: dict[str, Any] = {
        name: {
            "params": {key: x for key, x in expert.params.items() if key != NODE_PARAMS},
            **{
                field: getattr(expert, field) for field in ("messages", "item_degree", "user_norms")
            },
        }
        for name, expert in model.mixture.experts.items()
    }
    new_rows |= {name: vars(neighbors) for name, neighbors in model.mixture.neighbors.items()}
    for file, tree in (
        (_EMBEDDINGS, vars(model.embeddings)),
        (_HISTORIES, {"history": vars(model.history), "seen": vars(model.seen)}),
        (_NEW_ROWS, new_rows),
    ):
        arrays = flatten_dict(tree, sep="/").items()
        contiguous = {name: np.asarray(x, order="C") for name, x in arrays if x is not None}
        # Its `save_file` would keep other users, such as that of a service, from reading the file.
        (folder / file).write_bytes(safetensors.numpy.save(contiguous))
    for ids in (model.users, model.items):
        columns = {f"{ids.kind}_id": pa.array(ids.ids, pa.string())}
        if ids.kind == "item" and model.titles is not None:
            columns["title"] = pa.array(model.titles, pa.string())
        pq.write_table(pa.table(columns), folder / f"{ids.kind}s.parquet", compression="zstd")
    if model.texts.encoder is not None:
        save_text_encoder(model.texts.encoder, folder / _TEXT, compact=True)
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "metadata": model.metadata.as_dict(),
        "experts": {
            name: expert.model.settings.as_dict() for name, expert in model.mixture.experts.items()
        },
        "integer_ids": [ids.kind for ids in (model.users, model.items) if ids.is_integer],
        "scores": scores,
        "files": {
            str(path.relative_to(folder)): file_entry(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    (folder / CONTENT).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_content(folder: str | Path) -> dict[str, Any]:
    """What `model.json` says.

    Raises:
        DataError: there is no model folder, or one of another version.
    """
    path = Path(folder) / CONTENT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"no model folder at {folder}: it has no {CONTENT}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable ({error}); export the model again") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{path} does not belong to a model folder")
    if content.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"{path}: format version {content.get('format_version')}, this program reads "
            f"{FORMAT_VERSION}; export the model again"
        )
    return content


def read_model(folder: str | Path, *, checksums: bool = False) -> dict[str, Any]:
    """The fields of the `Recommender` of a model folder.

    Args:
        folder: that `save_model` wrote.
        checksums: compare every file with its checksum, at about a gigabyte a second; sizes always
            are compared.

    Raises:
        DataError: the folder is missing, damaged, or of another version.
    """
    folder = Path(folder)
    content = read_content(folder)
    try:
        check_sizes(folder, content["files"])
        if checksums:
            for name, entry in content["files"].items():
                verify(folder / name, entry)
        fields = _read(folder, content)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SymcereError) as error:
        reason = str(error).removesuffix("; prepare the data again")
        raise DataError(f"{folder}: damaged ({reason}); export the model again") from None
    if read_content(folder) != content:
        raise DataError(f"{folder} was replaced while it was read; load it again")
    return fields


def _mapped_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, mapped; its own reader copies them."""
    content = np.asarray(np.memmap(path, np.uint8, "r"))
    start = 8 + int.from_bytes(content[:8].tobytes(), "little")
    arrays = {}
    for name, entry in json.loads(content[8:start].tobytes()).items():
        kind, bits = entry["dtype"][0].lower(), int(entry["dtype"][1:])
        first, last = entry["data_offsets"]
        values = content[start + first : start + last].view(f"<{kind}{bits // 8}")
        arrays[name] = values.reshape(entry["shape"])
    return arrays


def _read(folder: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    metadata = Metadata.from_dict(content["metadata"], str(folder))
    arrays, histories, rest = (
        _mapped_arrays(folder / name) for name in (_EMBEDDINGS, _HISTORIES, _NEW_ROWS)
    )
    new_rows: dict[str, Any] = unflatten_dict(rest, sep="/")
    experts = {}
    for name, settings in content["experts"].items():
        model = SymCERE(metadata.n_users, metadata.n_items, ResolvedSettings.from_dict(settings))
        fields = new_rows[name]
        params = jax.tree.map(jnp.asarray, fields.pop("params", {}))
        experts[name] = FoldIn(model, params, **fields)
    shares = {name: Share(each.users, each.items) for name, each in metadata.experts.items()}
    tables, ids = {}, {}
    for kind, n_rows in (("user", metadata.n_users), ("item", metadata.n_items)):
        tables[kind] = read_table(folder / f"{kind}s.parquet", None, n_rows)
        names = tables[kind][f"{kind}_id"]
        ids[kind] = IdMap(kind, names, is_integer=kind in content["integer_ids"])
    items = tables["item"]
    has_titles = "title" in items.column_names
    has_text = (folder / _TEXT).is_dir()
    by_row = unflatten_dict(histories, sep="/")
    return {
        "users": ids["user"],
        "items": ids["item"],
        "embeddings": Embeddings(**jax.tree.map(jnp.asarray, arrays)),
        "mixture": Mixture(
            experts=experts,
            shares=shares or dict.fromkeys(experts, Share()),
            neighbors={
                name: ItemNeighbors(**new_rows[name]) for name in COUNTED if name in new_rows
            },
        ),
        "history": Interactions(**by_row["history"]),
        "seen": Interactions(**by_row["seen"]),
        "texts": TextReader(
            metadata.dataset, read_text_encoder(folder / _TEXT) if has_text else None
        ),
        "metadata": metadata,
        "titles": np.array(items["title"].to_pylist(), object) if has_titles else None,
    }
