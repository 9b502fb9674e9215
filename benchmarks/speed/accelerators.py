r"""What training takes on TPUs and GPUs that are not here: compiled for them, not run.

  pip install "jax[tpu,cuda12]"
  python -m benchmarks.speed.accelerators --interactions=1e6,1e7,5.1e7 \
    --devices=v5e:2x2,h100_sxm.txtpb --update=docs/speed.md

The train steps of the defaults without text, on generated power-law graphs, are compiled by the
compiler of the device. It tells whether they can run there and in how much memory, not how fast.
The chips of a TPU's topology share the work. A GPU is described by a file of XLA, from
https://github.com/openxla/xla/tree/main/xla/backends/gpu/target_config/specs; remove the fields
that an older jaxlib does not know. Each case is compiled in a process of its own.
"""

import os
import re
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
_DEVICES = flags.DEFINE_list(
    "devices",
    ["cpu"],
    "TPU topologies, such as v5e:1x1 or v5p:2x2x1; files *.txtpb that describe a GPU "
    "(GpuTargetConfigProto); cpu: this one",
)

N_STEPS = 4  # of a call


def find_devices(name: str) -> list[jax.Device]:
    """The devices to compile for, by an entry of --devices."""
    if name == "cpu":
        return jax.devices()
    if name.endswith(".txtpb"):
        return topologies.get_topology_desc(
            platform="cuda", target_config=Path(name).read_text(), topology="1x1x1"
        ).devices
    # By itself the smallest host has four chips.
    single = {"chips_per_host_bounds": (1, 1, 1)} if re.search(r":1(x1)+$", name) else {}
    return topologies.get_topology_desc(name, platform="tpu", **single).devices


def measure(name: str, size: int) -> dict[str, str]:
    """Compiles train steps; returns a row of the table."""
    devices = find_devices(name)
    if name != "cpu":
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
    os.environ |= {
        "JAX_PLATFORMS": "cpu",
        "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
        "TPU_SKIP_MDS_QUERY": "1",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_autotune_level=0".strip(),
    }
    rows = [
        binaries.in_own_process(measure, name, int(float(size)))
        for name in _DEVICES.value
        for size in _SIZES.value
    ]
    tables.publish(tables.markdown(rows), "accelerators")


if __name__ == "__main__":
    startup.run(main)
