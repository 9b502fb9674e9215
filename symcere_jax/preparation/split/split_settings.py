"""How reviews are split; each setting is a flag of `prepare.py` under the same name."""

import dataclasses
import datetime
import math
from typing import Literal, get_args

from symcere_jax.errors import ConfigError
from symcere_jax.fields import SettingsBase, setting

SplitPolicy = Literal[
    "ratio",
    "leave_one_out",
    "temporal",
    "global_time",
    "cold_item",
    "cold_user",
    "kfold",
    "predefined",
]
SPLIT_POLICIES = get_args(SplitPolicy)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitSettings(SettingsBase):
    """How reviews are split into train, valid and test."""

    split: SplitPolicy | None = setting(
        None, "how to split; default: predefined if rows carry a split, else ratio"
    )
    valid_share: float = setting(
        0.1,
        "share for validation: of each user's reviews, of the time line, of items or of users",
        minimum=0,
        below=1,
    )
    test_share: float = setting(0.2, "share for the test; see --valid_share", minimum=0, below=1)
    valid_from: str | None = setting(
        None,
        "with --split=global_time: first date of validation, such as 2018-07-01 or "
        "2018-07-01T12:00+02:00 (UTC without a zone), instead of --valid_share",
    )
    test_from: str | None = setting(
        None, "first date of the test, instead of --test_share; goes with --valid_from"
    )
    folds: int = setting(5, "with --split=kfold: number of parts of each user's reviews", minimum=2)
    fold: int = setting(0, "with --split=kfold: number of the part to test on, from 0", minimum=0)
    warm_share: float = setting(
        0.1,
        "with --split=cold_item or cold_user: share of each user's other reviews to hold out for "
        "validation, and the same for the test; training chooses its epoch by them",
        minimum=0,
        below=0.5,
    )
    min_history: int | None = setting(
        None,
        "hold out reviews only of users with at least this many training reviews; default: 1 if "
        "each user's reviews are split, else 0",
        minimum=0,
    )
    seed: int = setting(0, "seed of everything random", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.valid_share + self.test_share >= 1:
            raise ConfigError(
                f"--valid_share={self.valid_share} and --test_share={self.test_share} leave "
                "nothing to train on: their sum must be below 1"
            )
        if self.valid_from or self.test_from:
            self.cuts  # noqa: B018  raises where they are wrong
        if self.fold >= self.folds:
            raise ConfigError(f"--fold={self.fold} must be below --folds={self.folds}")
        if self.split == "cold_user" and self.min_history:
            raise ConfigError(
                f"--min_history={self.min_history} would leave nothing of --split=cold_user, whose "
                "held-out users have no training review"
            )

    @property
    def cuts(self) -> tuple[int, int] | None:
        """Seconds from which reviews are for validation and for the test; None: by shares.

        Raises:
            ConfigError: one is missing or no date, or they are not in order.
        """
        if self.valid_from is None and self.test_from is None:
            return None
        if self.split != "global_time" or self.valid_from is None or self.test_from is None:
            raise ConfigError(
                "give --valid_from and --test_from together, with --split=global_time"
            )
        cuts = []
        for name in ("valid_from", "test_from"):
            try:
                time = datetime.datetime.fromisoformat(getattr(self, name))
            except ValueError:
                raise ConfigError(
                    f"--{name} is {getattr(self, name)!r}, expected a date such as 2018-07-01"
                ) from None
            cuts.append(math.ceil(time.replace(tzinfo=time.tzinfo or datetime.UTC).timestamp()))
        if cuts[0] > cuts[1]:
            raise ConfigError(
                f"--valid_from={self.valid_from} is later than --test_from={self.test_from}"
            )
        return cuts[0], cuts[1]
