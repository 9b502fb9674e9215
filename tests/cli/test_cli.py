import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from symcere_jax.cli import command_line, startup
from symcere_jax.cli.commands import GROUPS
from symcere_jax.cores import usable_cores

PROGRAM = """
import os
import time
from pathlib import Path

from absl import flags

from symcere_jax.cli import startup
from symcere_jax.errors import DataError

_TIMES = flags.DEFINE_integer("times", 1, "How often.")
_END = flags.DEFINE_string("end", "", "How it ends.")


def main():
    print("hello " * _TIMES.value)
    if _END.value == "error":
        raise DataError("data.csv, line 3: bad\\nvalue; mend it")
    if _END.value == "path":
        Path(__file__).mkdir(exist_ok=True)
    if _END.value == "read-only":
        raise OSError(30, "Read-only file system", "hello.txt")
    if _END.value == "loop":
        Path("loop").symlink_to("loop")
        Path("loop").resolve(strict=True)
    if _END.value == "letters":
        print('{"item_id": "caf\u00e9 \U0001f600"}')
    if _END.value == "pipe":
        read, write = os.pipe()
        os.close(read)
        os.dup2(write, 1)
        print("more", flush=True)
    if _END.value == "interrupt":
        raise KeyboardInterrupt
    if _END.value == "stopped":  # as in a query of DuckDB
        try:
            os.kill(os.getpid(), 15)
        except SystemExit:
            raise KeyboardInterrupt from None
    if _END.value == "importing":  # a module that swallows exceptions, as those in C do
        code = "import os\\ntry: os.kill(os.getpid(), 15)\\nexcept BaseException: pass"
        Path(__file__).with_name("swallowing.py").write_text(code)
        import swallowing
        time.sleep(60)
    if _END.value == "defect":
        raise ZeroDivisionError("a defect")


if __name__ == "__main__":
    startup.run(main)
"""


@pytest.fixture(scope="module")
def hello(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (folder / "hello.py").write_text(PROGRAM)
    stub = "import hello\nfrom symcere_jax.cli import startup\nstartup.run(hello.main)\n"
    (folder / "stub.py").write_text(stub)

    def run(*arguments: str, encoding: str | None = None) -> subprocess.CompletedProcess:
        command = [sys.executable, str(folder / "stub.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, encoding=encoding)

    return run


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["--times=2"], 0, ""),
        (["--end=error"], 1, "error: data.csv, line 3: bad value; mend it\n"),
        (["--end=path"], 1, r"error: .*hello.*: File exists; choose another path\n"),
        (["--end=read-only"], 1, "error: hello.txt: Read-only file system.*\n"),
        (["--end=loop"], 1, "error: .*loop.*choose another path\n"),
        (["--times=100000", "--end=pipe"], 141, ""),  # the reader has enough
        (["--end=interrupt"], 130, "interrupted\n"),
        (["--end=stopped"], 75, "stopped; run the same command again\n"),
        (["--end=importing"], 75, "stopped; run the same command again\n"),
        (["--end=defect"], 1, r"(?s)Traceback.*ZeroDivisionError: a defect\n"),
        (["--time=2"], 2, r"error: unknown flag --time; did you mean --times\?.*\n"),
        (["--times=two"], 2, "error: flag --times=two.*\n"),
        (["stray"], 2, "error: unexpected argument 'stray'.*\n"),
    ],
)
def test_every_end_has_its_status_and_message(
    hello, tmp_path, monkeypatch, arguments, status, error
):
    monkeypatch.chdir(tmp_path)
    run = hello(*arguments)
    assert run.returncode == status
    assert re.fullmatch(error, run.stderr), run.stderr
    if status == 0:
        assert run.stdout == "hello hello \n"
    if status == 2:
        assert run.stdout == ""


def test_a_reader_that_has_enough_of_the_help_is_no_error(command):
    line, environment = command("train", "--help")
    process = subprocess.Popen(
        line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_letters_that_an_output_cannot_show_are_escaped_as_in_json(hello, monkeypatch, encoding):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    run = hello("--end=letters", encoding=encoding)
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout.splitlines()[1]) == {"item_id": "caf\u00e9 \U0001f600"}


def test_a_platform_that_is_not_there_is_one_line(trained, dataset, run_process, monkeypatch):
    where = (f"--dataset={dataset.folder}", f"--workdir={trained[1]}")
    run = run_process("evaluate", *where, JAX_PLATFORMS="cuda,tpu")
    if run.returncode:  # on a machine without these
        assert len(run.stderr.splitlines()) == 1
        assert run.stderr.startswith("error: JAX_PLATFORMS=cuda,tpu: ")


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("form", ["--flagfile=file", "--flagfile file", "-flagfile=file"])
def test_flags_beside_a_flag_file_win(hello, tmp_path, monkeypatch, place, form):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").write_text("--end=interrupt\n--times=5\n")
    (tmp_path / "file").write_text("\ufeff# a comment\n--flagfile=inner\n", encoding="utf-8")
    arguments = [*form.split(), "--times=2", "--end", "good"]
    if place == "before":
        arguments = [*arguments[-3:], *arguments[:-3]]
    assert hello(*arguments).stdout == "hello hello \n"
    (tmp_path / "file").write_text("\ufeff--times=3\n", encoding="utf-8")
    assert hello(*form.split()).stdout == "hello hello hello \n"


def test_the_home_folder_in_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    expand = command_line._expand_home
    assert expand("--runs=~/a,~/b~/c") == "--runs=/home/anna/a,/home/anna/b~/c"
    for argument in ("--texts=~/a", "--search=~/a", "~/a", "--users=a~/b", "--users=~"):
        assert expand(argument) == argument


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("data_prep/prepare.py", ["source", "k_core", "text_encoder", "user_field"]),
        ("launch/train.py", ["dataset", "temperature", "coordinator"]),
        ("launch/recommend.py", ["model", "exclude_seen", "index"]),
        ("launch/tune.py", ["trials", "space", "processes", "temperature"]),
    ],
)
def test_help_of_a_script_shows_its_docstring_and_flags_that_other_modules_define(script, names):
    command = [sys.executable, str(Path(__file__).parents[2] / script), "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stderr == "" and f"  python {script} --" in run.stdout
    for name in names:
        assert re.search(rf"^ +--(\[no\])?{name}:", run.stdout, re.M), name


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, f"caches/symcere_jax/compiled/cores_{usable_cores()}"),
        ({"JAX_COMPILATION_CACHE_DIR": "elsewhere"}, "elsewhere"),
        ({"XDG_CACHE_HOME": "/dev/null"}, None),
    ],
)
def test_what_is_compiled_is_kept(tmp_path, monkeypatch, variables, expected):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    for name, value in ({"XDG_CACHE_HOME": "caches"} | variables).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "jax", None)  # as before its import
    startup.keep_compiled()
    assert os.environ.get("JAX_COMPILATION_CACHE_DIR") == expected
    assert (tmp_path / "caches").exists() == (variables == {})


WIDE = "--xla_cpu_prefer_vector_width=512"
LOOPS = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=0"


@pytest.mark.parametrize(
    ("given", "fast", "expected"),
    [
        ("", True, f"{WIDE} {LOOPS}"),
        ("--xla_dump_to=x", True, f"--xla_dump_to=x {WIDE} {LOOPS}"),
        ("--xla_cpu_prefer_vector_width=128", True, f"--xla_cpu_prefer_vector_width=128 {LOOPS}"),
        ("--xla_backend_extra_options=a=1", True, f"--xla_backend_extra_options=a=1 {WIDE}"),
        ("--xla_dump_to=x", False, f"--xla_dump_to=x {LOOPS}"),
    ],
)
def test_the_compiler_is_tuned_unless_the_user_has_done_so(monkeypatch, given, fast, expected):
    monkeypatch.setenv("XLA_FLAGS", given)
    monkeypatch.setattr(startup, "has_fast_wide_vectors", lambda: fast)
    startup.tune_compiler()
    assert os.environ["XLA_FLAGS"] == expected


# Each in a process of its own, as their flags clash.
IMPORTS = """
import importlib, os, sys
from symcere_jax.cli.commands import GROUPS, module_of
for name in (name for names in GROUPS.values() for name in names):
    if not os.fork():
        importlib.import_module(module_of(name))
        os._exit(bool({"jax", "flax", "numpy"} & set(sys.modules)))
    assert os.wait()[1] == 0, name
"""


def test_help_needs_no_import_of_jax():
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, cwd=Path(__file__).parents[2])


def test_one_command_starts_all(tmp_path):
    def symcere(*arguments):
        line = [sys.executable, "-c", "from symcere_jax.cli.main import run; run()", *arguments]
        return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)

    overview = symcere()
    assert overview.stdout == symcere("--help").stdout and overview.returncode == 0
    listed = [line.split()[0] for line in overview.stdout.splitlines() if line[:2] == "  "]
    assert listed == [name for group in GROUPS.values() for name in group]
    wrong = symcere("trian")
    assert wrong.returncode == 2 and "train?" in wrong.stderr
    missing = symcere("check", "--dataset=absent")
    assert missing.returncode == 1 and missing.stderr.startswith("error: ")
