r"""What training takes on TPUs and GPUs that are not here: compiled for them, not run.

  pip install "jax[tpu,cuda12]"
  python -m benchmarks.speed.accelerators --interactions=1e6,1e7,5.1e7 --tpu=v5e:2x2 \
    --gpu=h100_sxm.txtpb --update=docs/speed.md

The train steps of the defaults without text, on generated power-law graphs, are compiled by the
compiler of the device, which tells whether they can run there and in how much memory. How fast they
are it does not tell. The chips of a TPU's topology share the work. A GPU is described by a file of
XLA's own, from https://github.com/openxla/xla/tree/main/xla/backends/gpu/target_config/specs; one
that is younger than jaxlib may name fields that have to be taken out.

Each case is compiled in a process of its own.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

import jax
from absl import flags
from jax.experimental import topologies

from benchmarks import binaries, tables
from benchmarks.speed import problem
from symcere_jax.cli import startup
from symcere_jax.models.defaults import default_batch_size

_SIZES = flags.DEFINE_list("interactions", ["1e6", "1e7"], "sizes of the graphs")
_TPUS = flags.DEFINE_list("tpu", [], "TPU topologies, such as v5e:1x1 or v5p:2x2x1")
_GPUS = flags.DEFINE_list("gpu", [], "files that describe a GPU (GpuTargetConfigProto, as text)")
_CASE = flags.DEFINE_list("case", None, "internal: kind, device and size to compile and to print")

N_STEPS = 4  # of a call


def find_devices(kind: str, name: str) -> list[jax.Device]:
    """The devices to compile for; `kind` is "tpu" or "gpu"."""
    if kind == "gpu":
        return topologies.get_topology_desc(
            platform="cuda", target_config=Path(name).read_text(), topology="1x1x1"
        ).devices
    # By itself the smallest host has four chips.
    single = {"chips_per_host_bounds": (1, 1, 1)} if re.search(r":1(x1)+$", name) else {}
    return topologies.get_topology_desc(name, platform="tpu", **single).devices


def measure(kind: str, name: str, size: int) -> dict[str, str]:
    """Compiles train steps; returns a row of the table."""
    devices = find_devices(kind, name)
    jax.config.update("jax_num_cpu_devices", len(devices))  # for the shapes of what is shared
    jax.config.update("jax_enable_compilation_cache", False)  # it would not be compiled again
    interactions = problem.power_law_interactions(size)
    inputs = problem.train_inputs(interactions)
    training = problem.build(inputs, default_batch_size(len(interactions)), N_STEPS, devices)
    shapes = jax.eval_shape(training.arguments)
    start = time.perf_counter()
    compiled = training.run.lower(*shapes).compile()
    seconds = time.perf_counter() - start
    memory = compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    return {
        "device": devices[0].device_kind,
        "devices": str(len(devices)),
        "interactions": f"{len(interactions):,}",
        "s to compile": f"{seconds:.0f}",
        "GiB of state and data, each": f"{held / 2**30:.2f}",
        "GiB of work, each": f"{memory.temp_size_in_bytes / 2**30:.2f}",
    }


def main() -> None:
    """Compiles each case, in a process whose JAX runs on the CPU, and shows the table."""
    if _CASE.value:
        kind, name, size = _CASE.value
        print(json.dumps(measure(kind, name, int(size))))
        return
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
        "TPU_SKIP_MDS_QUERY": "1",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_autotune_level=0".strip(),
    }
    targets = [("tpu", name) for name in _TPUS.value] + [("gpu", name) for name in _GPUS.value]
    if not targets:
        sys.exit("error: nothing to compile for: give --tpu or --gpu")
    rows = [
        binaries.run_again(f"--case={kind},{name},{int(float(size))}", env=environment)
        for kind, name in targets
        for size in _SIZES.value
    ]
    tables.publish(tables.markdown(rows), "accelerators")


if __name__ == "__main__":
    startup.run(main)
