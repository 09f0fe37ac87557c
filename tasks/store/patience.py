"""How long one request to a server may take with all its tries: a deadline, and waits with full jitter between them."""

import random
import time
from collections.abc import Callable

from tasks.errors import StoreUnavailable, TearsheetError

__all__ = ["Patience"]

TRIES = 8  # requests answered with trouble, or broken, with no byte gained in between
FEW_TRIES = 3  # requests that reached nobody, or got what makes no sense: a wrong endpoint should be said soon
FEW = ("no-contact", "not-s3")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 10.0
SLOWEST = 256 << 10  # bytes of an object that buy a second more: 5 GB over a slow line take hours, not minutes


class Patience:
    """The time left for one request, its tries and the waits between them. Of one thread."""

    def __init__(
        self,
        total_s: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock, self.sleep = clock, sleep
        self.started = clock()
        self.until = self.started + total_s
        self.trouble = self.tries = 0

    @property
    def left_s(self) -> float:
        """Seconds left; zero or less when the time is over."""
        return self.until - self.clock()

    def allow(self, size: int) -> None:
        """Add the time that moving so many bytes may take."""
        self.until += size / SLOWEST

    def excuse(self, spent_s: float) -> None:
        """Add time that someone else took, such as who reads the pieces."""
        self.until += spent_s

    def gained(self) -> None:
        """Some bytes came: trouble is counted anew from here."""
        self.trouble = 0

    def wait(self, error: TearsheetError) -> None:
        """Returns when the next try may begin; raises `error` where there shall be none, saying how long it was tried.

        There is none for what cannot pass, after too many tries, or when the wait would go past the deadline.
        """
        self.trouble, self.tries = self.trouble + 1, self.tries + 1
        if not isinstance(error, StoreUnavailable):
            raise error
        tries = FEW_TRIES if error.code in FEW else TRIES
        wait_s = random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self.trouble))  # noqa: S311 jitter, no secret
        if self.trouble >= tries or wait_s >= self.left_s:
            raise self._given_up(error)
        self.sleep(wait_s)

    def _given_up(self, error: TearsheetError) -> TearsheetError:
        spent_s = self.clock() - self.started
        what = f"{error.what} (tried {self.tries} times in {spent_s:.0f} s)" if self.tries > 1 else error.what
        return type(error)(what, where=error.where, remedy=error.remedy, code=error.code)
