r"""What training takes on TPUs and GPUs that are not here: compiled for them, not run.

  pip install "jax[tpu,cuda12]"
  python benchmarks/accelerators.py --interactions=1e6,1e7,5.1e7 --tpu=v5e:2x2 \
    --gpu=h100_sxm.txtpb --update=docs/speed.md

The train steps of the defaults without text, on generated power-law graphs, with messages passed
along lists in buckets (--propagation=bucketed), are compiled by the compiler of the device, which
tells whether they can run there and in how much memory. How fast they are it does not tell. The
chips of a TPU's topology share the work. A GPU is described by a file of XLA's own, from
https://github.com/openxla/xla/tree/main/xla/backends/gpu/target_config/specs; one that is younger
than jaxlib may name fields that have to be taken out.

Each case is compiled in a process of its own.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import tables
import training_problem
from absl import flags
from graphs import power_law_interactions
from jax.experimental import topologies

from symcere_jax.cli import app as cli
from symcere_jax.models.defaults import default_batch_size
from symcere_jax.training.devices import AXIS, distribute, replicate

_SIZES = flags.DEFINE_list("interactions", ["1e6", "1e7"], "sizes of the graphs")
_TPUS = flags.DEFINE_list("tpu", [], "TPU topologies, such as v5e:1x1 or v5p:2x2x1")
_GPUS = flags.DEFINE_list("gpu", [], "files that describe a GPU (GpuTargetConfigProto, as text)")
_DIM = flags.DEFINE_integer("embedding_dim", 64, "width of the embeddings", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_ONE = flags.DEFINE_list("one", None, "internal: kind, device and size to compile and to print")

N_STEPS = 4  # of a call
GIB = 2**30


def devices_of(kind: str, name: str) -> list[jax.Device]:
    """The devices to compile for; `kind` is "tpu" or "gpu"."""
    try:
        if kind == "tpu":
            # By itself the smallest host has four chips.
            of_one = {"chips_per_host_bounds": (1, 1, 1)} if re.search(r":1(x1)+$", name) else {}
            found = topologies.get_topology_desc(name, platform="tpu", **of_one).devices
        else:
            found = topologies.get_topology_desc(
                platform="cuda", target_config=Path(name).read_text(), topology="1x1x1"
            ).devices
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"error: cannot read {name}: {getattr(error, 'strerror', None) or error}")
    except jax.errors.JaxRuntimeError as error:
        sys.exit(f"error: --{kind}={name} describes no device: {str(error).splitlines()[0]}")
    except (RuntimeError, NotImplementedError) as error:  # as JAX says that a compiler is missing
        extra, reason = "tpu" if kind == "tpu" else "cuda12", str(error).splitlines()[0]
        sys.exit(f'error: cannot compile for {name}: run pip install "jax[{extra}]" ({reason})')
    if any(device.process_index for device in found):
        sys.exit(f"error: {name} has several hosts: name a topology of one")
    return found


def measure(kind: str, name: str, size: int) -> dict[str, Any]:
    """Compiles train steps; the memory they need on each device."""
    devices = devices_of(kind, name)
    jax.config.update("jax_num_cpu_devices", len(devices))  # for the shapes of what is shared
    jax.config.update("jax_enable_compilation_cache", False)  # it would not be compiled again
    interactions = power_law_interactions(size)
    inputs = training_problem.train_inputs(interactions)
    built = training_problem.build(
        inputs, default_batch_size(len(interactions)), N_STEPS, devices, embedding_dim=_DIM.value
    )
    columns = built.objective.model.shared(AXIS, len(devices)).held
    state = jax.eval_shape(lambda: distribute(built.initial_state(inputs), columns))
    copies = jax.eval_shape(lambda: replicate(inputs))
    seed = jax.ShapeDtypeStruct((), "uint32")
    start = time.perf_counter()
    compiled = built.run.lower(state, copies, seed).compile()
    seconds = time.perf_counter() - start
    memory = compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    return {
        "device": devices[0].device_kind,
        "devices": len(devices),
        "interactions": len(interactions),
        "compile_seconds": seconds,
        "held_gib": held / GIB,
        "work_gib": memory.temp_size_in_bytes / GIB,
    }


def in_process(kind: str, name: str, size: int) -> dict[str, Any]:
    """`measure` in a process of its own, whose JAX runs on the CPU."""
    flags_of_xla = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_autotune_level=0"
    there = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
        "TPU_SKIP_MDS_QUERY": "1",
        "XLA_FLAGS": flags_of_xla.strip(),
    }
    command = [sys.executable, *sys.argv, f"--one={kind},{name},{size}"]
    done = subprocess.run(command, capture_output=True, text=True, env=there, check=False)
    if done.returncode:
        errors = re.findall(r"^error: .*", done.stderr, re.MULTILINE)
        sys.exit(errors[-1] if errors else done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Compiles each case and shows the table."""
    if _ONE.value:
        kind, name, size = _ONE.value
        print(json.dumps(measure(kind, name, int(size))))
        return
    try:
        sizes = [int(float(size)) for size in _SIZES.value]
    except ValueError as error:
        sys.exit(f"error: --interactions={','.join(_SIZES.value)}: {error}")
    targets = [("tpu", name) for name in _TPUS.value] + [("gpu", name) for name in _GPUS.value]
    if not targets:
        sys.exit("error: nothing to compile for: give --tpu or --gpu")
    rows = []
    for kind, name in targets:
        for size in sizes:
            found = in_process(kind, name, size)
            print(found, file=sys.stderr)
            rows.append(
                [
                    found["device"],
                    str(found["devices"]),
                    f"{found['interactions']:,}",
                    f"{found['compile_seconds']:.0f}",
                    f"{found['held_gib']:.2f}",
                    f"{found['work_gib']:.2f}",
                ]
            )
    columns = ["device", "devices", "interactions", "s to compile"]
    columns += ["GiB of state and data, each", "GiB of work, each"]
    text = tables.markdown(columns, rows, n_words=1)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "accelerators", text)


if __name__ == "__main__":
    cli.run(main)
