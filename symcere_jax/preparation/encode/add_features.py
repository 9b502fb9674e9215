"""Text features of a prepared folder: the encoder that the settings name, and its files."""

import dataclasses
import mmap
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.encode.stored_reviews import stored_reviews
from symcere_jax.preparation.encode.text_settings import TextSettings
from symcere_jax.preparation.settings import EncodeSettings
from symcere_jax.preparation.write.output_folder import locked_output
from symcere_jax.preparation.write.prepared_tables import file_entries
from symcere_jax.text import (
    CombinedEncoder,
    LsaEncoder,
    PrecomputedEncoder,
    Reviews,
    TextEncoder,
    TransformerEncoder,
    save_text_encoder,
)

_PARTIAL = ".text.partial"


def add_text(
    settings: EncodeSettings,
    *,
    encoder: TextEncoder | None = None,
    announce: MessageCallback = lambda stage: None,
) -> tuple[str, int]:
    """Encodes the reviews of a prepared folder, and adds features and encoder to it.

    Nothing of the folder changes before all is encoded; the manifest, which says what the folder
    holds, is replaced last.

    Args:
        settings: encoder and folder.
        encoder: instead of the one that the settings name.
        announce: called with a few words at the start of each stage.

    Returns:
        Name and width of the features.

    Raises:
        BusyError: another process writes the folder.
        ConfigError: the folder has features of that name.
        DataError: the folder is none, the encoder lacks something, or the disk is full.
    """
    with locked_output(settings.dataset, "dataset"):
        dataset = ReviewDataset.load(settings.dataset)
        partial = dataset.folder / _PARTIAL
        scratch = partial / "scratch"
        encoder = encoder or configured_encoder(settings, scratch, dataset.folder)
        assert encoder is not None
        name = settings.text_name or encoder.name
        if name in dataset.manifest.text_encoders and not settings.overwrite:
            raise ConfigError(
                f"{dataset.folder} has text features {name!r}; replace them with --overwrite, or "
                "choose a --text_name"
            )
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
        try:
            scratch.mkdir(parents=True)
            dataset.file(schema.REVIEWS)  # is whole
            n_users, n_items = dataset.n_users, dataset.n_items
            with stored_reviews(dataset.folder, n_users, n_items, scratch) as reviews:
                described = encode_into(partial, name, encoder, reviews, announce)
            shutil.rmtree(scratch)
            _install(dataset, name, described, partial)
        except OSError as error:
            reason = error.strerror or f"is the disk full? {error}"
            raise DataError(f"cannot write to {dataset.folder}: {reason}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return name, described["width"]


def configured_encoder(settings: TextSettings, scratch: Path, folder: Path) -> TextEncoder | None:
    """The encoder that the settings name; None: no text is encoded.

    Args:
        settings: of the encoder.
        scratch: folder for what does not fit into memory.
        folder: the prepared folder, whose ids may be read.
    """
    encoders: list[TextEncoder] = []
    for name in settings.text_encoder_parts:
        encoder: TextEncoder
        if name == LsaEncoder.name:
            encoder = LsaEncoder(width=settings.text_width, seed=settings.seed, scratch=scratch)
        elif name == TransformerEncoder.name:
            encoder = TransformerEncoder(
                settings.text_model or "",
                bfloat16=settings.text_bfloat16,
                prefix=settings.text_prefix,
                tokens_per_device=settings.text_batch_tokens or 0,
                cache=settings.cache_folder,
                scratch=scratch,
                ray_address=settings.ray_address,
            )
        else:
            encoder = PrecomputedEncoder(settings.text_embeddings, folder, scratch)
        encoders.append(encoder)
    if len(encoders) > 1:
        return CombinedEncoder(tuple(encoders), scratch)
    return encoders[0] if encoders else None


def encode_into(
    folder: Path, name: str, encoder: TextEncoder, reviews: Reviews, announce: MessageCallback
) -> dict[str, Any]:
    """Encodes reviews, writes the features under a name, and returns what the manifest states."""
    features = encoder.encode(reviews, lambda stage: announce(f"{encoder.name}: {stage}"))
    (folder / schema.TEXT_FOLDER / name).mkdir(parents=True)
    for rows in ("reviews", "users", "items"):
        array = getattr(features, rows)
        path = folder / schema.text_file(name, rows)
        if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):  # a file of its own
            array.flush()
            Path(array.filename).replace(path)
        else:
            np.save(path, array)
    if features.fitted is not None:
        save_text_encoder(features.fitted, (folder / schema.text_model_file(name)).parent)
    width, dtype = features.reviews.shape[1], str(features.reviews.dtype)
    described = {**features.settings, "width": width, "dtype": dtype}
    return described if name == encoder.name else {**described, "encoder": encoder.name}


def _install(dataset: ReviewDataset, name: str, described: dict, partial: Path) -> None:
    """Moves features into the folder, and states them in its manifest."""
    manifest = dataset.manifest
    inside = f"{schema.TEXT_FOLDER}/{name}/"
    others = {other: entry for other, entry in manifest.text_encoders.items() if other != name}
    kept = {path: entry for path, entry in manifest.files.items() if not path.startswith(inside)}
    files = {**kept, **file_entries(partial)}
    target = dataset.folder / inside
    known = {*files, *manifest.files}
    for path in target.rglob("*"):
        if path.is_file() and path.relative_to(dataset.folder).as_posix() not in known:
            raise ConfigError(f"{path} does not belong to the features to replace: move it")
    if name in manifest.text_encoders:
        # With a new fingerprint: no run that was trained on the old features fits the new ones.
        manifest = dataclasses.replace(manifest, files=files, fingerprint="")
        # Killed from here on, the folder is without these features, and sound.
        without = dataclasses.replace(manifest, text_encoders=others, files=kept)
        _replace_manifest(without, dataset.folder, partial)
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(exist_ok=True)
    (partial / inside).rename(target)
    manifest = dataclasses.replace(manifest, text_encoders={**others, name: described}, files=files)
    _replace_manifest(manifest, dataset.folder, partial)


def _replace_manifest(manifest: schema.Manifest, folder: Path, partial: Path) -> None:
    manifest.write(partial)
    (partial / schema.MANIFEST).replace(folder / schema.MANIFEST)
