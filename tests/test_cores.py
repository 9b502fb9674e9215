import os
import subprocess
import sys

import pytest

from symcere_jax.cores import has_fast_wide_vectors, usable_cores


def test_cores_of_this_process():
    assert 1 <= usable_cores() <= os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no such call here")
def test_a_process_that_is_tied_to_one_core_has_one():
    program = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
        "from symcere_jax.cores import usable_cores; print(usable_cores())"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "1\n"


def test_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert usable_cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2 avx512f avx512dq\n", True),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2\n", False),
        ("vendor_id\t: GenuineIntel\nflags\t\t: fpu avx2 avx512f avx512dq\n", False),
        ("", False),
    ],
)
def test_wide_vectors_are_fast_on_some_cpus(told, expected, tmp_path):
    (tmp_path / "cpuinfo").write_text(told)
    assert has_fast_wide_vectors(tmp_path / "cpuinfo") is expected
    assert not has_fast_wide_vectors(tmp_path / "missing")
