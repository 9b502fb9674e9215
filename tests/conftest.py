"""What all tests share: small prepared folders, and processes with a chosen number of devices."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from absl import app
from hypothesis import HealthCheck, settings

from symcere_jax import hints
from symcere_jax.data.dataset import ReviewDataset

# Messages name flags, unless a test is about their form in Python.
hints.in_command = True
# Processes of the tests, and later runs of them, share what JAX compiled: most of their models
# differ in data alone. JAX reads this at import.
_compiled = Path(tempfile.gettempdir()) / f"symcere_jax_tests_{os.getuid()}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_compiled))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Programs of the tests run for less time than the compiler would take to make them fast.
_quick = "--xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_quick}".strip()
# A busy machine is no defect.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# absl defines them once, at the first start of a program; a test that restores the flags it found
# would otherwise take them away from all later ones.
app.define_help_flags()
# A shell's background job ignores SIGINT, and so would the tests of Ctrl-C and their programs.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ReviewDataset:
    """A prepared folder of generated reviews with text features; shared, so not to be changed."""
    return _prepare(tmp_path_factory, text_encoder="lsa", text_width=16)


@pytest.fixture(scope="session")
def dataset_without_text(tmp_path_factory: pytest.TempPathFactory) -> ReviewDataset:
    """The same reviews in the same split, prepared without text features."""
    return _prepare(tmp_path_factory, text_encoder="none")


@pytest.fixture(scope="session")
def trained_run(dataset: ReviewDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workdir of a short training with both towers, scored on the test split; shared."""
    from symcere_jax.settings import Settings
    from symcere_jax.study.scoring import score_run
    from symcere_jax.training import train

    workdir = tmp_path_factory.mktemp("trained") / "both_towers"
    settings = Settings(
        experts="aligned",
        n_layers=2,
        embedding_dim=12,
        batch_size=256,
        user_ranking_weight=0.0,
        epochs=3,
        embedding_learning_rate=0.01,
        propagation="segment",
    )
    train(settings, dataset, workdir)
    score_run(workdir, dataset, "test")
    return workdir


@pytest.fixture(scope="session")
def run_on_devices() -> Callable[..., str]:
    """Runs Python code in a process with n CPU devices, and returns what it prints.

    A process of its own, because the number of devices is fixed once JAX has started.
    """
    root = str(Path(__file__).parents[1])

    def run(n_devices: int, code: str, *arguments: object) -> str:
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count="
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join([root, *sys.path]),
            "XLA_FLAGS": f"{flags}{n_devices}".strip(),
        }
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"status {done.returncode} on {n_devices} devices:\n{done.stderr}")
        return done.stdout

    return run


def _prepare(tmp_path_factory: pytest.TempPathFactory, **text: str | int) -> ReviewDataset:
    # Imported here, so that tests of the library alone neither wait for data_prep nor need it.
    from symcere_jax.preparation.pipeline import prepare
    from symcere_jax.preparation.settings import PrepareSettings

    settings = PrepareSettings(
        source="synthetic",
        output=tmp_path_factory.mktemp("prepared") / "small",
        synthetic_users=120,
        synthetic_items=50,
        synthetic_reviews_per_user=8.0,
        **text,  # type: ignore[arg-type]
    )
    prepare(settings)
    return ReviewDataset.load(settings.output)


@pytest.fixture(scope="module", autouse=True)
def _few_programs_are_held():
    """Each compiled program maps memory, and a process may hold 65,530 maps: LLVM aborts beyond."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_text().count("\n") > 20_000:
        sys.modules["jax"].clear_caches()
