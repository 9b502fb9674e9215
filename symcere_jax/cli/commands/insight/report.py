r"""Writes a report of one or more runs: a single HTML file that needs no network.

  python launch/report.py --dataset=data/shop --runs=runs/shop --output=report.html

Of several scored runs, among them a baseline, with the results of other commands:

  python launch/report.py --dataset=data/shop --runs=runs/shop,runs/baselines/ease \
    --extras=runs/anchoring,explanations --output=report.html

Of an ablation:

  python launch/report.py --dataset=data/shop --runs=runs/ablation/shop

It shows the data, the settings, training curves, metrics with intervals, paired comparisons,
popularity bias and a map of the embeddings; --extras adds an ablation, semantic anchoring and
explanations. Explanations show review texts, so choose who may see the page.
"""

import sys
from pathlib import Path

from absl import flags

from symcere_jax.errors import ConfigError
from symcere_jax.files import write_text
from symcere_jax.folders import RUN, STUDIES, check_output_folder
from symcere_jax.optional import require

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder of the runs", required=True)
_RUNS = flags.DEFINE_list(
    "runs",
    None,
    "folders of runs or ablations; the others are compared with the first",
    required=True,
)
_EXTRAS = flags.DEFINE_list("extras", [], "folders of results of ablate, anchoring or explain")
_SPLIT = flags.DEFINE_enum("split", "test", ("valid", "test"), "which scores to show")
_OUTPUT = flags.DEFINE_string("output", "report.html", "file to write")


def main() -> None:
    """Builds the page and writes it."""
    from tqdm import tqdm

    from symcere_jax.data import ReviewDataset
    from symcere_jax.report.run_page import build_run_page

    require("jinja2", extra="report")  # before the work
    output = Path(_OUTPUT.value)
    if output.is_dir():
        raise ConfigError(f"{output} is a folder: choose a file as --output, such as report.html")
    check_output_folder(output.parent, _OUTPUT.name, RUN, *STUDIES)
    with tqdm(unit="section", disable=not sys.stderr.isatty()) as bar:

        def show(title: str) -> None:
            bar.set_description(title)
            bar.update()

        page = build_run_page(
            ReviewDataset.load(_DATASET.value),
            [Path(folder) for folder in _RUNS.value],
            _SPLIT.value,
            [Path(folder) for folder in _EXTRAS.value],
            show,
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, page)
    print(output)
