"""What is uploaded to the Hub is a model folder, and what is downloaded is loaded."""

import shutil
import types

import huggingface_hub
import pytest

import symcere_jax as sj
from symcere_jax.errors import DataError


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder in place of the Hub."""
    calls = {}

    class Hub:
        def __init__(self, token=None):
            calls["token"] = token

        def create_repo(self, repo_id, **options):
            calls["repo"] = (repo_id, options)

        def upload_folder(self, *, repo_id, folder_path, **options):
            shutil.copytree(folder_path, tmp_path / repo_id)
            return types.SimpleNamespace(commit_url=f"https://hub/{repo_id}")

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda repo_id, **options: str(tmp_path / repo_id)
    )
    return calls


def test_a_model_goes_there_and_back(hub, trained_run, dataset, tmp_path):
    model = sj.load(trained_run, dataset)
    assert sj.push_to_hub(model, "me/shop", token="secret") == "https://hub/me/shop"
    assert hub == {"token": "secret", "repo": ("me/shop", {"private": True, "exist_ok": True})}
    again = sj.from_hub("me/shop")
    assert again.recommend(["user-000"]).equals(model.recommend(["user-000"]))
    card = (tmp_path / "me" / "shop" / "README.md").read_text()
    assert f"{model.scores['test ndcg@10']:.4f}" in card
    assert 'sj.from_hub("me/shop")' in card and "| embedding_dim | 12 |" in card
    damaged = tmp_path / "me" / "shop" / "histories.safetensors"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-4] + bytes(4 * [7]))
    with pytest.raises(DataError, match="checksum"):
        sj.from_hub("me/shop")
    (tmp_path / "me" / "other").mkdir()
    with pytest.raises(DataError, match="no model folder"):
        sj.from_hub("me/other")
