"""Progress on the terminal."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping

from tqdm import tqdm

from symcere_jax.callbacks import CountCallback, MessageCallback
from symcere_jax.cli import startup
from symcere_jax.cli.tracking import Tracker
from symcere_jax.evaluation import PRIMARY_METRIC
from symcere_jax.settings import ResolvedSettings, Settings
from symcere_jax.study.workers import Epoch, RunsObserver
from symcere_jax.training import Progress


class ProgressBar:
    """Shows a bar of the steps, with loss, speed and validation score, on stderr.

    If stderr is not a terminal, one line per epoch is printed instead, so that logs stay readable.
    `given` are the settings as the user gave them; `on_start` is called before the first step.
    """

    def __init__(
        self,
        given: Settings,
        on_start: Callable[[], None] = lambda: None,
        *,
        tracker: Tracker | None = None,
        silent: bool = False,
    ) -> None:
        self._given, self._on_start, self._tracker = given, on_start, tracker
        in_notebook = type(sys.stderr).__module__.startswith("ipykernel")  # which draws bars, too
        self._live = (sys.stderr.isatty() or in_notebook) and not silent
        self._say: MessageCallback = (lambda words: None) if silent else startup.say
        self._bar = tqdm(disable=True)
        self._shown: dict[str, str] = {}
        self._started, self._expert = False, ""

    def start(
        self, settings: ResolvedSettings, steps_per_epoch: int, batch_size: int, progress: Progress
    ) -> None:
        """Shows where the run starts, and what the data has chosen."""
        self._bar.close()  # of the expert before
        self._expert = settings.experts
        if not self._started:
            self._on_start()
        self._started, self._shown = True, {}
        if settings.experts != self._given.experts:
            self._say(f"expert {settings.experts}")
        given = self._given.as_dict()
        chosen = [name for name in given if given[name] is None and name != "experts"]
        if chosen:
            values = (f"{name}={_short(getattr(settings, name))}" for name in chosen)
            self._say(f"chosen from the data: {', '.join(values)}")
        if progress.step:
            self._say(f"resumed at step {progress.step}")
        self._say(
            f"at most {settings.epochs} epochs of {steps_per_epoch} steps of {batch_size} "
            "interactions"
        )
        self._bar = tqdm(
            total=settings.epochs * steps_per_epoch,
            initial=progress.step,
            unit="step",
            dynamic_ncols=True,
            disable=not self._live,
        )

    def steps(self, epoch: int, steps: int, loss: float) -> None:
        """Moves the bar."""
        self._bar.set_description(f"epoch {epoch}", refresh=False)
        self._show(loss=f"{loss:.4f}")
        self._bar.update(steps)

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        """Shows the score of an epoch."""
        if self._tracker is not None:
            self._tracker.log(self._expert, record)
        score = record.get(PRIMARY_METRIC)
        if score is not None:
            self._show(valid=f"{score:.4f}")
            if best:
                self._show(best=f"{score:.4f}")
        if not self._live:
            loss = f"  loss {record['loss']:.4f}" if "loss" in record else ""
            valid = "" if score is None else f"  valid ndcg@10 {score:.4f}{' *' if best else ''}"
            self._say(f"epoch {record['epoch']:3d}{loss}{valid}")

    def close(self) -> None:
        """Leaves the bar as it is and ends its line, and the run of the tracker."""
        self._bar.close()
        if self._tracker is not None:
            self._tracker.close()

    def _show(self, **values: str) -> None:
        self._shown |= values
        self._bar.set_postfix(self._shown, refresh=False)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class RunsBar(RunsObserver):
    """Shows a bar of many runs on stderr, if that is a terminal, and a line for each that ends."""

    def __init__(self, unit: str) -> None:
        self._unit, self._bar = unit, tqdm(disable=True)

    def start(self, total: int, done: int) -> None:
        """Shows where the work starts."""
        disable = not sys.stderr.isatty()
        self._bar = tqdm(total=total, initial=done, unit=self._unit, disable=disable)

    def epoch(self, epoch: Epoch) -> None:
        """Shows a run that has done an epoch."""
        self._bar.set_postfix_str(f"{epoch.run}, epoch {epoch.number}: {epoch.score:.4f}")

    def end(self, line: str) -> None:
        """Shows that a run has ended."""
        tqdm.write(line, file=sys.stderr)
        self._bar.update()

    def close(self) -> None:
        """Leaves the bar as it is and ends its line."""
        self._bar.close()


@contextlib.contextmanager
def counting_bar(
    unit: str, name: str | None = None, *, silent: bool = False
) -> Iterator[CountCallback]:
    """Shows a bar on stderr, if that is a terminal; yields what moves it."""
    with tqdm(desc=name, unit=unit, disable=silent or not sys.stderr.isatty()) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
