"""What is known of this machine's clock, as far as it costs nothing to ask."""

import ctypes
import sys
import time

from tasks.records import Clock

__all__ = ["read_clock"]

_ERROR = 5  # adjtimex(2), TIME_ERROR: the clock is not synchronised


def read_clock() -> Clock:
    """Where the time comes from, and whether the kernel holds it for synchronised with a reference."""
    return Clock(time.get_clock_info("time").implementation, _synchronized())


def _synchronized() -> bool | None:
    """None where the system does not tell."""
    if sys.platform != "linux":
        return None
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))  # struct timex, all zero: only asks
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _ERROR
