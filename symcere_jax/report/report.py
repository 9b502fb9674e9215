"""A report of runs in one HTML file: data, settings, training, scores, bias, explanations."""

import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.evaluation import SHOWN_METRICS, HeldOutSplit
from symcere_jax.evaluation.significance import bootstrap_interval
from symcere_jax.report.ablation import read_ablation
from symcere_jax.report.bias import measure_bias
from symcere_jax.report.bias_report import bias_figures, bias_markdown
from symcere_jax.report.comparison import compare_runs
from symcere_jax.report.comparison_report import comparison_figures, comparison_markdown
from symcere_jax.report.html import from_figures, from_markdown, page, section
from symcere_jax.report.report_extras import below_title, extra_sections, is_ablation, read
from symcere_jax.report.report_figures import (
    embedding_figures,
    training_figures,
)
from symcere_jax.report.report_overview import data_section, settings_section
from symcere_jax.report.runs import distinct_names, read_runs
from symcere_jax.report.tables import markdown_table
from symcere_jax.training import Checkpoints, load_model
from symcere_jax.training.metric_log import FILE as LOG_FILE
from symcere_jax.training.metric_log import read_metric_log


class Report:
    """Builds a report, section by section.

    Args:
        dataset: the prepared folder of the runs.
        folders: workdirs of training runs, folders with a subfolder seed_* for each of several
            trainings, or workdirs of launch/ablate.py, which give the variant that the others are
            compared with and a section of the ablation; the first one is the main run.
        split: of the scores.

    Raises:
        ConfigError: there is no run, or one is given twice.
        DataError: a run has neither a log nor a checkpoint, or an ablation is malformed.
    """

    def __init__(
        self, dataset: ReviewDataset, folders: Sequence[Path], split: HeldOutSplit = "test"
    ) -> None:
        if not folders:
            raise ConfigError("a report needs at least one run: --runs=FOLDER")
        distinct_names(folders)  # which refuses a run that is given twice, an ablation too
        # Of an ablation, the variant that the others are compared with.
        self.ablations = [folder for folder in folders if is_ablation(folder)]
        folders = [
            folder / read_ablation(folder).variants[0].name if is_ablation(folder) else folder
            for folder in folders
        ]
        self.dataset, self.folders, self.split = dataset, list(folders), split
        self.names = distinct_names(folders)
        self.seeds = [
            sorted(path for path in folder.glob("seed_*") if path.is_dir()) or [folder]
            for folder in folders
        ]
        for name, seeds in zip(self.names, self.seeds, strict=True):
            for seed in seeds:
                if not (seed / LOG_FILE).exists() and not Checkpoints(seed).steps("best"):
                    raise DataError(
                        f"run {name}: {seed} has neither {LOG_FILE} nor a checkpoint; give the "
                        "--workdir of launch/train.py"
                    )
        self._sections: list[tuple[str, str]] = []

    @property
    def unscored(self) -> list[Path]:
        """Trainings without scores on the split."""
        return [
            seed
            for seeds in self.seeds
            for seed in seeds
            if not (seed / f"metrics_{self.split}.json").exists()
        ]

    def build(self, extras: Sequence[Path] = (), say: MessageCallback = lambda words: None) -> str:
        """The page.

        Args:
            extras: folders with what ablate.py, anchoring.py and explain.py wrote.
            say: is told what is at work.

        Raises:
            DataError: a run lacks a file, was scored on other data, or an extra holds nothing.
            CheckpointError: a checkpoint is damaged or of another prepared folder.
        """
        for title, make in (
            ("Data", lambda: data_section(self.dataset)),
            ("Settings", lambda: settings_section(self.names, self.seeds)),
            ("Training", self.training),
            ("Scores", self.scores),
            ("Comparison", self.comparison),
            ("Popularity bias", self.bias),
            ("Map of the embeddings", self.embeddings),
        ):
            say(title)
            body = make()
            if body:
                self._sections.append(section(title, body))
        extras = [*self.ablations, *extras]
        for folder in extras:
            say(str(folder))
            self._sections += extra_sections(folder, named=len(extras) > 1)
        links = "".join(link for link, _ in self._sections)
        body = "".join(text for _, text in self._sections)
        title = f"{self.dataset.name}: {', '.join(self.names)}"
        return page(title, f"<nav>{links}</nav>{body}")

    def training(self) -> str:
        """The course of the training."""
        logs = {
            name: [read_metric_log(seed) for seed in seeds if (seed / LOG_FILE).exists()]
            for name, seeds in zip(self.names, self.seeds, strict=True)
        }
        logs = {name: of for name, of in logs.items() if of}
        if not logs:
            return ""
        caption = (
            "By epoch, a line a seed. Losses of runs with different losses are not comparable. "
            "Alignment: mean squared distance of a user and a training item on the unit sphere; "
            "uniformity: log of the mean Gaussian kernel between items."
        )
        return from_figures(training_figures(logs), caption)

    def scores(self) -> str:
        """Metrics with intervals."""
        if self.unscored:
            commands = "".join(
                f"<li><code>python launch/evaluate.py --workdir={html.escape(str(seed))} "
                f"--dataset={html.escape(str(self.dataset.folder))} --split={self.split}"
                "</code></li>"
                for seed in self.unscored
            )
            return (
                f"<p>Scores, comparison and bias need every run scored on the {self.split} split. "
                f"Still to do:</p><ul>{commands}</ul>"
            )
        known = [
            json.loads(read(seed / f"metrics_{self.split}.json"))
            for seeds in self.seeds
            for seed in seeds
        ]
        metrics = [metric for metric in SHOWN_METRICS if all(metric in of for of in known)]
        rows = [[name] for name in self.names]
        for metric in metrics:
            for row, run in enumerate(read_runs(self.folders, self.dataset, self.split, metric)):
                values = run.values.mean(axis=0)
                low, high = bootstrap_interval(values[None], n_resamples=2000)
                rows[row].append(f"{values.mean():.4f} [{low[0]:.4f}, {high[0]:.4f}]")
        users = len(np.unique(self.dataset.interactions(self.split)[:, 0]))
        return (
            from_markdown(markdown_table(["run", *metrics], rows))
            + f'<p class="note">{self.split} split, {users:,} users, full ranking of the '
            "catalogue. In brackets: 95 % bootstrap interval over users; values of several seeds "
            "are averaged first.</p>"
        )

    def comparison(self) -> str:
        """Paired tests against the first run."""
        if self.unscored or len(self.folders) < 2:
            return ""
        comparison = compare_runs(self.folders, self.dataset, self.split)
        caption = "Differences with their 95 % intervals; scores by popularity and by history."
        return from_figures(comparison_figures(comparison), caption) + from_markdown(
            below_title(comparison_markdown(comparison))
        )

    def bias(self) -> str:
        """Norms, popularity of what is recommended, scores by decile."""
        if self.unscored:
            return ""
        report = measure_bias(self.folders, self.dataset, self.split)
        caption = (
            "Left: each item's norm, and means of deciles. Middle: whose items fill the ranks."
        )
        return from_figures(bias_figures(report), caption) + from_markdown(
            below_title(bias_markdown(report))
        )

    def embeddings(self) -> str:
        """Users and items of the main run in two dimensions."""
        found = [seed for seed in self.seeds[0] if Checkpoints(seed).steps("best")]
        if not found:
            return ""
        embeddings = load_model(found[0], self.dataset).embeddings()
        users = np.asarray(embeddings.users)
        items = np.asarray(embeddings.items)
        lengths = np.linalg.norm(users, axis=1, keepdims=True)
        scale = np.linalg.norm(items, axis=1).mean() / max(float(lengths.mean()), 1e-12)
        counts = [
            np.bincount(self.dataset.train[:, column], minlength=n)
            for column, n in enumerate((self.dataset.n_users, self.dataset.n_items))
        ]
        caption = (
            f"{self.names[0]}: embeddings, on the two principal axes of the items; "
            "users are scaled to the items' mean norm. Lighter and larger: more training "
            "interactions."
        )
        return from_figures(embedding_figures(users * scale, items, *counts), caption)
