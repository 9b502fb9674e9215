"""Hyperparameter search: many runs, of which the best on the validation split is kept.

    <workdir>/study.log       the journal of the search, by Optuna
    <workdir>/trial_<n>/      the run of each trial; only the best one keeps its checkpoints

One search at a time may work in a workdir.
"""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import ConfigError, DataError, SymcereError
from symcere_jax.locking import LOCK, locked
from symcere_jax.models import resolve
from symcere_jax.settings import Settings
from symcere_jax.study.processes import Job, run_jobs
from symcere_jax.study.space import Space, describe_space, inside, settings_of
from symcere_jax.study.training import Epoch, train_job
from symcere_jax.study.trials import SearchObserver, SearchResult, Trial, best_trial
from symcere_jax.training import TrainResult, checkpoint

JOURNAL = "study.log"
RANDOM_TRIALS = 10  # before the sampler learns from them, and before any trial is pruned
EPOCHS_BEFORE_PRUNING = 5
ERROR = "error"  # attribute of a trial that cannot be trained, such as one whose loss diverges


def search(
    config: Settings,
    dataset: ReviewDataset,
    workdir: str | Path,
    space: Space,
    *,
    trials: int,
    processes: int = 1,
    prune: bool = True,
    observer: SearchObserver | None = None,
    should_stop: ShouldStop = lambda: False,
) -> SearchResult:
    """Searches for the settings of the best NDCG@10 on the validation split, or goes on with it.

    Samples by a tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), the first trial
    with the given settings; prunes trials that are worse than the median of the others at the same
    epoch. Trials that were cut off go on from their checkpoints. The test split is not read.

    Args:
        config: settings that are not searched.
        dataset: the prepared folder.
        workdir: gets the journal and the trials.
        space: what is searched.
        trials: how many, those of earlier calls included.
        processes: trials that run at a time.
        prune: stop trials early.
        observer: is told of the progress.
        should_stop: asked now and then; if true, running trials write a checkpoint and the search
            ends, to go on later.

    Raises:
        BusyError: another process searches in the workdir.
        ConfigError: the workdir holds a search with other settings, data or space.
        DataError: there is no validation split.
        SymcereError: a process was killed.
    """
    if not len(dataset.valid):
        raise DataError(
            f"{dataset.folder / schema.pairs_file('valid')} has no interactions to choose by; "
            "prepare the data with a larger --valid_share"
        )
    workdir = Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    with locked(workdir / LOCK, f"--workdir={workdir}", "choose another --workdir"):
        return _Search(config, dataset, workdir, space, prune, observer).search(
            trials, processes, should_stop
        )


@dataclasses.dataclass
class _Running:
    """A trial at work, the epochs that the journal has of it, and whether it was told to end."""

    trial: optuna.Trial
    reported: set[int]
    pruned: bool = False


class _Search:
    def __init__(
        self,
        config: Settings,
        dataset: ReviewDataset,
        workdir: Path,
        space: Space,
        prune: bool,
        observer: SearchObserver | None,
    ) -> None:
        self.config, self.dataset, self.workdir, self.space = config, dataset, workdir, space
        self.prune, self.observer = prune, observer
        self.running: dict[Path, _Running] = {}
        _drop_torn_line(workdir / JOURNAL)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study(
            study_name="search",
            storage=JournalStorage(JournalFileBackend(str(workdir / JOURNAL))),
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(
                RANDOM_TRIALS, EPOCHS_BEFORE_PRUNING, n_min_trials=3
            ),
        )
        self._check_identity()
        # Another seed after a restart: the same one would sample the first trials again.
        seed = config.seed + len(self.study.get_trials(deepcopy=False))
        self.study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=RANDOM_TRIALS, multivariate=True, constant_liar=True, seed=seed
        )
        if not self.study.get_trials(deepcopy=False):
            base = resolve(config, dataset).as_dict()
            self.study.enqueue_trial(inside(space, base))

    def _check_identity(self) -> None:
        """Refuses the workdir of another search."""
        settings = resolve(self.config, self.dataset)
        mine = {
            "settings": settings.as_dict(),
            "fingerprint": self.dataset.fingerprint,
            "space": describe_space(self.space),
        }
        theirs = self.study.user_attrs
        for name, value in mine.items():
            if theirs.get(name, value) != value:
                was = f"{value}, was {theirs[name]}"
                difference = settings.difference(theirs[name]) if name == "settings" else was
                raise ConfigError(
                    f"{self.workdir} holds a search with other {name}: {difference}; "
                    "go on with those, or give another --workdir"
                )
            if name not in theirs:
                self.study.set_user_attr(name, value)

    def search(self, trials: int, processes: int, should_stop: ShouldStop) -> SearchResult:
        if self.observer:
            self.observer.start(trials, len(self._ended()))
        for job, outcome in run_jobs(
            train_job,
            self._jobs(trials),
            processes=processes,
            on_report=self._epoch,
            should_stop=should_stop,
        ):
            self._tell(job, outcome)
        ended = self._ended()
        return SearchResult(tuple(ended), best_trial(ended), stopped=len(ended) < trials)

    def _jobs(self, trials: int) -> Iterator[Job]:
        """Trials to run: those that were cut off, then new ones."""
        for cut_off in self.study.get_trials(states=(TrialState.RUNNING,)):
            if cut_off.params.keys() == self.space.keys():
                trial = optuna.Trial(self.study, cut_off._trial_id)
                yield self._job(trial, reported=set(cut_off.intermediate_values))
            else:  # it was cut off before it was complete
                self.study.tell(cut_off.number, state=TrialState.FAIL)
        while len(self._ended()) + len(self.running) < trials:
            yield self._job(self.study.ask(dict(self.space)), reported=set())

    def _job(self, trial: optuna.Trial, reported: set[int]) -> Job:
        job = Job(
            config=self.config.replace(**settings_of(self.space, trial.params)),
            dataset=self.dataset.folder,
            workdir=self._folder(trial.number),
        )
        self.running[job.workdir] = _Running(trial, reported)
        return job

    def _epoch(self, job: Job, epoch: Epoch) -> bool:
        """Whether a trial is pruned after an epoch."""
        running = self.running[job.workdir]
        trial = running.trial
        if self.observer:
            self.observer.epoch(trial.number, epoch)
        # A trial that was cut off repeats the epochs since its checkpoint.
        if epoch.score is not None and epoch.number not in running.reported:
            trial.report(epoch.score, epoch.number)
            running.reported.add(epoch.number)
        running.pruned = running.pruned or (self.prune and trial.should_prune())
        return running.pruned

    def _tell(self, job: Job, outcome: TrainResult | SymcereError) -> None:
        """Takes down how a trial ended."""
        running = self.running.pop(job.workdir)
        trial = running.trial
        if isinstance(outcome, SymcereError):
            trial.set_user_attr(ERROR, str(outcome))
            self.study.tell(trial, state=TrialState.FAIL)
        elif outcome.stop == "request" and not running.pruned:
            return  # told to stop: it goes on with the next search
        else:
            for name in ("epochs", "best_epoch", "seconds"):
                trial.set_user_attr(name, getattr(outcome, name))
            if outcome.stop == "request":
                self.study.tell(trial, state=TrialState.PRUNED)
            else:
                self.study.tell(trial, outcome.best_score)
        ended = self._ended()
        best = best_trial(ended)
        for other in ended:
            if best is None or other.number != best.number:
                shutil.rmtree(self._folder(other.number) / checkpoint.FOLDER, ignore_errors=True)
        if self.observer:
            this = next(other for other in ended if other.number == trial.number)
            self.observer.trial(this, best)

    def _folder(self, number: int) -> Path:
        return self.workdir / f"trial_{number}"

    def _ended(self) -> list[Trial]:
        return [
            self._trial(trial)
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state.is_finished()
            and (trial.state != TrialState.FAIL or ERROR in trial.user_attrs)
        ]

    def _trial(self, trial: FrozenTrial) -> Trial:
        searched = settings_of(self.space, trial.params)
        return Trial(
            number=trial.number,
            state={TrialState.FAIL: "failed"}.get(trial.state, trial.state.name.lower()),
            config=self.config.replace(**searched),
            searched=searched,
            score=trial.value,
            epochs=trial.user_attrs.get("epochs"),
            best_epoch=trial.user_attrs.get("best_epoch"),
            seconds=trial.user_attrs.get("seconds"),
            error=trial.user_attrs.get(ERROR),
        )


def _drop_torn_line(journal: Path) -> None:
    """Takes off a last line that was cut off while it was written; Optuna stumbles over it."""
    if journal.exists():
        content = journal.read_bytes()
        os.truncate(journal, content.rfind(b"\n") + 1)
