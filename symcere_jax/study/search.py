"""Hyperparameter search: many runs, of which the one that is best on validation is kept.

    <workdir>/study.log       the journal of the search, by Optuna; all processes write it
    <workdir>/trial_<n>/      the run of each trial; only the best one keeps its checkpoints

One search at a time may work in a workdir.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError, SymcereError
from symcere_jax.evaluation import held_out_pairs
from symcere_jax.files import drop_torn_line
from symcere_jax.folders import SEARCH, check_output_folder
from symcere_jax.locking import LOCK, locked
from symcere_jax.models import resolve
from symcere_jax.settings import ALIGNED, GRAPH, TEXT, Settings
from symcere_jax.study.space import Space, inside, parse_space, settings_of
from symcere_jax.study.workers import SILENT, Epoch, EpochReporter, RunsObserver, run_tasks
from symcere_jax.training import Checkpoints, train

JOURNAL = "study.log"
RANDOM_TRIALS = 10  # before the sampler learns from them, and before any trial is pruned
EPOCHS_BEFORE_PRUNING = 5
ERROR = "error"  # attribute of a trial that cannot be trained, such as one whose loss diverges
_STUDY = "search"


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial that has ended; what failed has no score, epochs or seconds."""

    number: int
    state: str  # "complete"; "pruned": stopped as no match for the others; "failed"
    settings: Settings
    searched: Mapping[str, Any]  # those of the settings that were searched
    score: float | None  # best validation NDCG@10; of a pruned trial: the last one
    epochs: int | None
    best_epoch: int | None
    seconds: float | None  # of training, since the last start
    error: str | None


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The trials of a search that have ended, by number."""

    trials: tuple[Trial, ...]
    stopped: bool  # before all trials were done

    @property
    def best(self) -> Trial | None:
        """The complete trial of the highest score, the first of them; None if none is complete."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        return max(complete, key=lambda trial: trial.score or 0.0, default=None)


def search(
    settings: Settings,
    dataset: ReviewDataset,
    workdir: str | Path,
    space: str,
    *,
    trials: int,
    processes: int = 1,
    prune: bool = True,
    observer: RunsObserver = SILENT,
    should_stop: ShouldStop = lambda: False,
) -> SearchResult:
    """Searches for the settings of the best NDCG@10 on the validation split, or resumes that.

    Samples by a tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), the first trial
    with the given settings; prunes trials that are worse than the median of the others at the same
    epoch. `trials` includes those of earlier calls; those that were cut off resume. Once
    `should_stop` is true, running trials write a checkpoint and the search ends.

    Raises:
        BusyError: another process searches in the workdir.
        ConfigError: the workdir holds another search, or the space is malformed.
        DataError: there is no validation split.
        SymcereError: a process was killed.
    """
    held_out_pairs(dataset, "valid")
    workdir, searched = Path(workdir), parse_space(space)
    check_output_folder(workdir, "workdir", SEARCH)
    workdir.mkdir(parents=True, exist_ok=True)
    with locked(workdir / LOCK, f"--workdir={workdir}", "choose another --workdir"):
        drop_torn_line(workdir / JOURNAL)  # Optuna would append to it
        study = _open_study(workdir, settings.seed)
        first = resolve(settings, dataset)
        _check_identity(study, workdir, first, dataset, space)
        _queue_trials(study, workdir, inside(searched, first.as_dict()))
        task = _TrialTask(settings, dataset.folder, workdir, searched, prune)
        ended = task.ended(study)
        observer.start(trials, len(ended))
        tasks = [
            dataclasses.replace(task, sampler_seed=settings.seed + place)
            for place in range(len(ended), trials)
        ]
        for number in run_tasks(
            run_trial, tasks, processes=processes, on_report=observer.epoch, should_stop=should_stop
        ):
            ended = task.ended(study)
            best = SearchResult(ended, stopped=False).best
            for trial in ended:
                if trial != best:
                    Checkpoints(task.folder(trial.number)).clear()
                if trial.number == number:
                    observer.end(_describe(trial, best))
        return SearchResult(ended, stopped=len(ended) < trials)


def searched_expert(settings: Settings, dataset: ReviewDataset) -> str:
    """The expert whose settings are searched, as no settings are best for several.

    The one that is named, or else the aligned, the text or the graph expert.
    """
    if settings.experts is not None:
        return settings.experts
    names = resolve(settings, dataset).expert_names
    return next(name for name in (ALIGNED, TEXT, GRAPH) if name in names)


@dataclasses.dataclass(frozen=True)
class _TrialTask:
    """What a worker needs to run a trial."""

    settings: Settings
    dataset: Path
    workdir: Path
    space: Space
    prune: bool
    sampler_seed: int = 0  # another one for each trial, or all would be the same

    def folder(self, number: int) -> Path:
        return self.workdir / f"trial_{number}"

    def ended(self, study: optuna.Study) -> tuple[Trial, ...]:
        """Trials that have ended, but for those that a defect of the program ended."""
        return tuple(
            self._trial(trial)
            for trial in study.get_trials(deepcopy=False)
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or ERROR in trial.user_attrs
        )

    def _trial(self, trial: FrozenTrial) -> Trial:
        searched = settings_of(self.space, trial.params)
        names = ("epochs", "best_epoch", "seconds", ERROR)
        return Trial(
            number=trial.number,
            state="failed" if trial.state == TrialState.FAIL else trial.state.name.lower(),
            settings=self.settings.replace(**searched),
            searched=searched,
            score=trial.value,
            **{name: trial.user_attrs.get(name) for name in names},
        )


def run_trial(
    task: _TrialTask, report: Callable[[Epoch], None], should_stop: ShouldStop
) -> int | None:
    """Asks the study for a trial, new or cut off, trains it, and tells how it ended.

    Returns:
        Its number; None where it was told to stop: it is still running, for the next search.
    """
    study = _open_study(task.workdir, task.sampler_seed)
    trial = study.ask(dict(task.space))
    # A trial that was cut off repeats the epochs since its checkpoint.
    reported = set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)
    pruned = False

    def follow(epoch: Epoch) -> None:
        nonlocal pruned
        report(epoch)
        if epoch.number not in reported:
            trial.report(epoch.score, epoch.number)
            reported.add(epoch.number)
        pruned = pruned or (task.prune and trial.should_prune())

    try:
        result = train(
            task.settings.replace(**settings_of(task.space, trial.params)),
            ReviewDataset.load(task.dataset),
            task.folder(trial.number),
            observer=EpochReporter(f"trial {trial.number}", follow),
            should_stop=lambda: pruned or should_stop(),
        )
    except SymcereError as error:
        trial.set_user_attr(ERROR, str(error))
        study.tell(trial, state=TrialState.FAIL)
        return trial.number
    if result.stop == "request" and not pruned:
        return None
    for name in ("epochs", "best_epoch", "seconds"):
        trial.set_user_attr(name, getattr(result, name))
    if result.stop == "request":
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, result.best_score)
    return trial.number


def _open_study(workdir: Path, sampler_seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=_STUDY,
        storage=JournalStorage(JournalFileBackend(str(workdir / JOURNAL))),
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(RANDOM_TRIALS, EPOCHS_BEFORE_PRUNING, n_min_trials=3),
        sampler=optuna.samplers.TPESampler(
            n_startup_trials=RANDOM_TRIALS, multivariate=True, constant_liar=True, seed=sampler_seed
        ),
    )


def _check_identity(
    study: optuna.Study, workdir: Path, settings: Settings, dataset: ReviewDataset, space: str
) -> None:
    """Refuses the workdir of another search."""
    identity = {
        "settings": settings.as_dict(),
        "fingerprint": dataset.fingerprint,
        "space": " ".join(space.split()),
    }
    for name, value in identity.items():
        earlier = study.user_attrs.get(name)
        if earlier is None:
            study.set_user_attr(name, value)
        elif earlier != value:
            difference = f"{value}, was {earlier}"
            if name == "settings":
                difference = settings.difference(earlier)
            raise ConfigError(
                f"{workdir} holds a search with other {name}: {difference}; "
                "resume with those, or give another --workdir"
            )


def _queue_trials(study: optuna.Study, workdir: Path, first: dict) -> None:
    """Queues the trials that were cut off, or the first one; `study.ask` takes them first."""
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(first)
    storage = JournalStorage(JournalFileBackend(str(workdir / JOURNAL)))
    study_id = storage.get_study_id_from_name(_STUDY)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        storage.set_trial_state_values(trial_id, TrialState.WAITING)


def _describe(trial: Trial, best: Trial | None) -> str:
    score = trial.error if trial.score is None else f"valid ndcg@10 {trial.score:.4f}"
    return f"trial {trial.number:3d} {trial.state:8} {score}{' *' if trial == best else ''}"
