"""What long work calls while it goes on."""

from collections.abc import Callable

CountCallback = Callable[[int, int], None]
"""Called with how much is done and how much there is, in users or whatever is counted."""

MessageCallback = Callable[[str], None]
"""Called with a few words on what is done, or begins."""

ShouldStop = Callable[[], bool]
"""Asked now and then; if true, the work ends so that it can go on later."""
