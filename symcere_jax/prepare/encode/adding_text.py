"""Adding text features to a prepared folder."""

import dataclasses
import re
import shutil
from pathlib import Path

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.fields import setting
from symcere_jax.prepare.encode.encoding import configured_encoder
from symcere_jax.prepare.encode.prepared_reviews import prepared_reviews
from symcere_jax.prepare.encode.text_settings import TextSettings, check
from symcere_jax.prepare.write import output_folder, writing
from symcere_jax.text import TextEncoder

_PARTIAL = ".text.partial"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncodeSettings(TextSettings):
    """Which text features to add to which folder; see the text beside each setting."""

    dataset: Path | None = setting(None, "Prepared folder to add to.")
    text_name: str = setting("", "Name of the features; default: that of --text_encoder.")
    overwrite: bool = setting(False, "Replace features of that name.")
    seed: int = setting(0, "Seed of all that is random.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dataset is None:
            raise ConfigError("--dataset is missing: the prepared folder to add to")
        if not self.text_encoder_parts:
            raise ConfigError("--text_encoder=none adds nothing")
        fits = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", self.text_name or "x") is not None
        fits = fits and self.text_name not in ("none", "auto")
        check(fits, "text_name", repr(self.text_name), "must be a plain name of a folder")
        check(self.seed >= 0, "seed", self.seed, "must not be negative")


def add_text(
    config: EncodeSettings,
    *,
    encoder: TextEncoder | None = None,
    announce: MessageCallback = lambda stage: None,
) -> tuple[str, int]:
    """Encodes the reviews of a prepared folder, and adds features and encoder to it.

    Nothing of the folder changes before all is encoded; the manifest, which says what the folder
    holds, is replaced last.

    Args:
        config: the settings.
        encoder: instead of the one that the settings name.
        announce: called with a few words at the start of each stage.

    Returns:
        Name and width of the features.

    Raises:
        BusyError: another process writes the folder.
        ConfigError: the folder has features of that name.
        DataError: the folder is none, the encoder lacks something, or the disk is full.
    """
    assert config.dataset is not None
    with output_folder.locked_output(config.dataset, "dataset"):
        return _add(config, config.dataset, encoder, announce)


def _add(
    config: EncodeSettings, path: Path, encoder: TextEncoder | None, announce: MessageCallback
) -> tuple[str, int]:
    dataset = ReviewDataset.load(path)
    partial = dataset.folder / _PARTIAL
    scratch = partial / "scratch"
    encoder = encoder or configured_encoder(
        config, scratch, seed=config.seed, folder=dataset.folder
    )
    assert encoder is not None
    name = config.text_name or encoder.name
    if name in dataset.manifest.text_encoders and not config.overwrite:
        raise ConfigError(
            f"{dataset.folder} has text features {name!r}; replace them by --overwrite, or choose "
            "a --text_name"
        )
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    try:
        scratch.mkdir(parents=True)
        with prepared_reviews(dataset, scratch) as reviews:
            features = encoder.encode(
                reviews, progress=lambda stage: announce(f"{encoder.name}: {stage}")
            )
            writing.write_features(partial, name, features)
        shutil.rmtree(scratch)
        width = features.reviews.shape[1]
        settings = features.described()
        if name != encoder.name:
            settings["encoder"] = encoder.name
        folder = f"{schema.TEXT_FOLDER}/{name}/"
        kept = {k: v for k, v in dataset.manifest.files.items() if not k.startswith(folder)}
        is_new = name not in dataset.manifest.text_encoders
        source = dict(dataset.manifest.source)
        earlier = [*source.get(schema.BEFORE_FEATURES, []), dataset.fingerprint]
        source[schema.BEFORE_FEATURES] = earlier if is_new else []
        manifest = dataclasses.replace(
            dataset.manifest,
            source=source,
            text_encoders={**dataset.manifest.text_encoders, name: settings},
            files={**kept, **writing.file_entries(partial)},
        )
        target = dataset.folder / folder
        if not is_new:
            # Killed from here on, the folder is without these features, and sound.
            others = {n: v for n, v in dataset.manifest.text_encoders.items() if n != name}
            without = dataclasses.replace(
                dataset.manifest, source=source, text_encoders=others, files=kept
            )
            _replace_manifest(without, dataset)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(exist_ok=True)
        (partial / folder).rename(target)
        _replace_manifest(manifest, dataset)
    except OSError as error:
        reason = error.strerror or f"is the disk full? {error}"
        raise DataError(f"cannot write to {dataset.folder}: {reason}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return name, width


def _replace_manifest(manifest: schema.Manifest, dataset: ReviewDataset) -> None:
    partial = dataset.folder / _PARTIAL
    manifest.write(partial)
    (partial / schema.MANIFEST).replace(dataset.folder / schema.MANIFEST)
