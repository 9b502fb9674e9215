"""Models on the Hugging Face Hub: a model folder with a card."""

import tempfile
from pathlib import Path
from typing import Any

import huggingface_hub

from symcere_jax import __version__
from symcere_jax.api.model import Model, load
from symcere_jax.evaluation import SHOWN_METRICS
from symcere_jax.recommend.model_folder import read_content


def push_to_hub(
    model: Model, repo_id: str, *, private: bool = True, token: str | None = None
) -> str:
    """Uploads a model folder with a card that has its scores, data and settings.

    The ids of all users and items, and what each user interacted with, are part of a model: it is
    private by default.

    Args:
        model: to upload.
        repo_id: "owner/name" of a model repository, which is created if it is missing.
        private: whether to make a new repository private.
        token: of the Hub; default: that of `hf auth login`.

    Returns:
        The address of the commit.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = model.save(Path(place) / "model")
        (folder / "README.md").write_text(_card(read_content(folder), repo_id), encoding="utf-8")
        hub = huggingface_hub.HfApi(token=token)
        hub.create_repo(repo_id, private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message="A model of symcere_jax",
            delete_patterns="*",  # files of an earlier model
        )
    return commit.commit_url


def from_hub(repo_id: str, *, revision: str | None = None, token: str | None = None) -> Model:
    """Downloads a model folder, compares its checksums, and loads it.

    Args:
        repo_id: "owner/name" of a model repository.
        revision: branch, tag or commit; default: the newest.
        token: of the Hub; default: that of `hf auth login`.

    Raises:
        DataError: the repository has no model folder, or a damaged one.
    """
    folder = huggingface_hub.snapshot_download(repo_id, revision=revision, token=token)
    return load(folder, checksums=True)


def _card(content: dict[str, Any], repo_id: str) -> str:
    """The model card, Markdown with a header of YAML."""
    metadata, scores = content["metadata"], content["scores"]
    rows = [
        f"| {name} | {scores[f'test {name}']:.4f} |"
        for name in SHOWN_METRICS
        if f"test {name}" in scores
    ]
    table = "\n".join(
        ["| test, full ranking | |", "|---|---:|", *rows] if rows else ["Not scored."]
    )
    settings = "\n".join(f"| {name} | {value} |" for name, value in metadata["settings"].items())
    return f"""---
library_name: symcere_jax
tags: [recommender, collaborative-filtering, jax]
---
# {repo_id}

Recommendations from a user-item graph and review texts, by symcere_jax {__version__}.

```python
import symcere_jax as sj

model = sj.from_hub("{repo_id}")
```

## Data

{metadata["dataset"]}: {metadata["n_users"]:,} users, {metadata["n_items"]:,} items (fingerprint \
{metadata["fingerprint"]}).

## Scores

{table}

## Settings

| setting | value |
|---|---|
{settings}
"""
