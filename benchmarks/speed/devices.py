r"""What a second core brings: as part of one device, as a second device, as a second process.

  python -m benchmarks.speed.devices --data=DIR --update=docs/speed.md

DIR holds train.txt.gz of the LightGCN benchmarks; without it a power-law graph is generated. Each
case trains some steps of LightGCN and of the defaults, in processes that are tied to their cores.
Cases take turns; a time is the best of all calls, since other work only adds to it.
"""

import json
import os
import socket
import subprocess
import sys
import timeit

import jax
import numpy as np
from absl import flags

from benchmarks import tables
from benchmarks.speed import problem
from symcere_jax.cli import distributed, startup
from symcere_jax.models.defaults import default_batch_size

_DATA = flags.DEFINE_string("data", None, problem.DATA_HELP)
_GENERATED = flags.DEFINE_integer("generated", 1_000_000, "interactions of the generated graph", 1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "number of turns", lower_bound=1)
_DEVICES = flags.DEFINE_integer("devices", None, "internal: measure on as many devices", 1)

CALLS = 5
STEPS_PER_CALL = 8
CASES = {  # name -> processes, cores of each, devices of each
    "1 core": (1, 1, 1),
    "2 cores, 1 device": (1, 2, 1),
    "2 cores, 2 devices": (1, 2, 2),
    "2 processes of 1 core": (2, 1, 1),
}
_CASES = flags.DEFINE_multi_enum("case", list(CASES), list(CASES), "which, several times")


def measure(interactions: np.ndarray) -> dict[str, float]:
    """Seconds a step of this process and those that it has joined."""
    inputs = problem.train_inputs(interactions)
    seconds = {}
    for name, batch_size, settings in (
        ("LightGCN", problem.BPR_BATCH, problem.LIGHTGCN),
        ("the defaults", default_batch_size(len(interactions)), {}),
    ):
        advance = problem.build(inputs, batch_size, STEPS_PER_CALL, **settings).start()
        advance()
        seconds[name] = min(timeit.repeat(advance, number=1, repeat=CALLS)) / STEPS_PER_CALL
    return seconds


def run_case(n_processes: int, n_cores: int, n_devices: int) -> dict[str, float]:
    """Starts the processes of a case and gives what the first one measured."""
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    cores = sorted(os.sched_getaffinity(0))
    running = []
    for index in range(n_processes):
        command = [sys.executable, *sys.orig_argv[1:], f"--devices={n_devices}"]
        if n_processes > 1:
            command += [f"--coordinator=localhost:{port}", f"--process_count={n_processes}"]
            command += [f"--process_index={index}"]
        share = set(cores[index * n_cores : (index + 1) * n_cores])
        running.append(
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=lambda share=share: os.sched_setaffinity(0, share),
            )
        )
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        sys.exit("error: a process has failed; what it said stands above")
    return json.loads(outputs[0].splitlines()[-1])


def table(turns: dict[str, list[dict[str, float]]]) -> str:
    """A row a case, in Markdown."""
    best = {
        case: {name: min(turn[name] for turn in seconds) for name in seconds[0]}
        for case, seconds in turns.items()
    }
    base = next(iter(best.values()))
    rows = []
    for case, seconds in best.items():
        rows.append({"": case})
        for name in base:
            rows[-1][f"ms a step of {name}"] = f"{1000 * seconds[name]:.0f}"
            rows[-1][f"times as fast as 1 core, {name}"] = f"{base[name] / seconds[name]:.2f}"
    return tables.markdown(rows)


def main() -> None:
    """Measures, and shows the table."""
    if _DEVICES.value:
        jax.config.update("jax_num_cpu_devices", _DEVICES.value)
        distributed.join()
        print(json.dumps(measure(problem.load_interactions(_DATA.value, _GENERATED.value))))
        return
    if len(os.sched_getaffinity(0)) < max(count * cores for count, cores, _ in CASES.values()):
        sys.exit("error: this needs two cores")
    turns: dict[str, list[dict[str, float]]] = {case: [] for case in _CASES.value}
    for _ in range(_ROUNDS.value):
        for case in turns:
            turns[case].append(run_case(*CASES[case]))
            print(case, turns[case][-1], file=sys.stderr)
    tables.publish(table(turns), "devices")


if __name__ == "__main__":
    startup.run(main)
