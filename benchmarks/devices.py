r"""What a second core brings: as part of one device, as a second device, as a second process.

  python benchmarks/devices.py --data=DIR --update=docs/speed.md

DIR holds train.txt.gz of the LightGCN benchmarks; without it a power-law graph is generated. Each
case runs in processes of its own, tied to their cores, and trains some steps: those of LightGCN
(BPR, batches of 2048, of which message passing takes most) and those of the library's defaults.
Cases take turns; a time is the best of all calls, since what else goes on only adds to it.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import tables
import training_problem
from absl import flags
from graphs import power_law_interactions, read_interactions

from symcere_jax.cli import app as cli
from symcere_jax.cli import distributed as launch_processes
from symcere_jax.models.defaults import default_batch_size

_DATA = flags.DEFINE_string("data", None, "folder with train.txt.gz; default: a generated graph")
_SYNTHETIC = flags.DEFINE_integer(
    "synthetic_interactions", 1_000_000, "size of the generated graph", lower_bound=1
)
_DIM = flags.DEFINE_integer("embedding_dim", 64, "width of the embeddings", lower_bound=1)
_BATCH = flags.DEFINE_integer("batch_size", 2048, "interactions of a BPR step", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "number of turns", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_CORES = flags.DEFINE_integer("cores", None, "internal: measure on as many cores and devices of", 1)
_DEVICES = flags.DEFINE_integer("devices", 1, "internal: them", 1)

CALLS = 5
STEPS_PER_CALL = 8
CASES = {  # name -> processes, cores of each, devices of each
    "1 core": (1, 1, 1),
    "2 cores, 1 device": (1, 2, 1),
    "2 cores, 2 devices": (1, 2, 2),
    "2 processes of 1 core": (2, 1, 1),
}


def measure(interactions: np.ndarray) -> dict[str, float]:
    """Seconds a step of this process and those that it has joined."""
    inputs = training_problem.train_inputs(interactions)
    seconds = {}
    for name, batch_size, settings in (
        ("lightgcn", _BATCH.value, training_problem.LIGHTGCN),
        ("defaults", default_batch_size(len(interactions)), {}),
    ):
        state, steps, _ = training_problem.training(
            inputs, batch_size, STEPS_PER_CALL, embedding_dim=_DIM.value, n_layers=3, **settings
        )
        state = steps(state)
        calls = []
        for _ in range(CALLS):
            start = time.perf_counter()
            state = steps(state)
            calls.append(time.perf_counter() - start)
        seconds[name] = min(calls) / STEPS_PER_CALL
    return seconds


def run_case(n_processes: int, n_cores: int, n_devices: int) -> dict[str, float]:
    """Starts the processes of a case and gives what the first one measured."""
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, *sys.argv, f"--cores={n_cores}", f"--devices={n_devices}"]
    running = []
    for index in range(n_processes):
        together = [f"--coordinator=localhost:{port}", f"--process_count={n_processes}"]
        together = [*together, f"--process_index={index}"] if n_processes > 1 else []
        mine = set(cores[index * n_cores : (index + 1) * n_cores])
        running.append(
            subprocess.Popen(
                [*command, *together],
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=lambda mine=mine: os.sched_setaffinity(0, mine),
            )
        )
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        sys.exit("error: a process has failed; what it said stands above")
    return json.loads(outputs[0].splitlines()[-1])


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """A row a case, in Markdown."""
    best = {
        case: {name: min(turn[name] for turn in turns) for name in turns[0]}
        for case, turns in found.items()
    }
    base = best[next(iter(CASES))]
    rows = [
        [case, *(cell for name in base for cell in _cells(seconds[name], base[name]))]
        for case, seconds in best.items()
    ]
    columns = ["", "ms a step of LightGCN", "times as fast", "ms a step of the defaults"]
    return tables.markdown([*columns, "times as fast"], rows)


def _cells(seconds: float, base: float) -> tuple[str, str]:
    return f"{1000 * seconds:.0f}", f"{base / seconds:.2f}"


def main() -> None:
    """Measures, and shows the table."""
    if _CORES.value:
        jax.config.update("jax_num_cpu_devices", _DEVICES.value)
        launch_processes.join()
        if _DATA.value:
            interactions = read_interactions(Path(_DATA.value) / "train.txt.gz")
        else:
            interactions = power_law_interactions(_SYNTHETIC.value)
        print(json.dumps(measure(interactions)))
        return
    if len(os.sched_getaffinity(0)) < max(count * cores for count, cores, _ in CASES.values()):
        sys.exit("error: this needs two cores")
    found: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
    for _ in range(_ROUNDS.value):
        for case, sizes in CASES.items():
            found[case].append(run_case(*sizes))
            print(case, found[case][-1], file=sys.stderr)
    text = table(found)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "devices", text)


if __name__ == "__main__":
    cli.run(main)
