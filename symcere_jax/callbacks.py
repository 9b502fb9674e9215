"""Functions that long-running work calls."""

from collections.abc import Callable

CountCallback = Callable[[int, int], None]
"""Called with the number done and the number of all, in users or other units."""

MessageCallback = Callable[[str], None]
"""Called with a few words on what begins or is done."""

ShouldStop = Callable[[], bool]
"""Asked regularly; if true, the work stops in a state from which it can resume."""
