"""What a browser does as the user that runs this: `python -m tests.capture.browser.as_user [without-unshare] NAME…`.

Visits the hostile pages named, each an own line of JSON, then one with what is known of the browser's processes.
`without-networks` has the kernel refuse new network namespaces from then on, `without-unshare` new ones of any kind, as
many containers do.
"""

import ctypes
import json
import os
import platform
import struct
import sys
import tempfile
from pathlib import Path

from tasks.capture.browser import Browser
from tasks.errors import TearsheetError
from tests.capture.browser import processes
from tests.capture.browser.conftest import World, made_world, text_of
from tests.capture.browser.hostile_pages import MARK

_UNSHARE = {"x86_64": 272, "aarch64": 97}
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2  # of prctl
_LOAD, _IF_EQUAL, _IF_SET, _RETURN = 0x20, 0x15, 0x45, 0x06  # of BPF
_NUMBER_AT, _FLAGS_AT = 0, 16  # in what a filter is shown of a call
_NEW_NETWORK, _ANY = 0x40000000, 0xFFFFFFFF
_REFUSE, _ALLOW = 0x00050001, 0x7FFF0000  # with EPERM


def refuse_unshare(flags: int) -> None:
    """No unshare(2) with any of `flags` for this process and those it starts."""
    steps = [
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_EQUAL, 0, 3, _UNSHARE[platform.machine()]),
        (_LOAD, 0, 0, _FLAGS_AT),
        (_IF_SET, 0, 1, flags),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SECCOMP, _FILTER, ctypes.byref(program))):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "prctl")


def show(world: World, browser: Browser, name: str) -> dict[str, object]:
    try:
        seen = world.visit(browser, f"/{name}")
    except TearsheetError as error:
        return {"name": name, "error": str(error)}
    return {"name": name, "mark": MARK in text_of(seen), "flags": seen.rendered.flags if seen.rendered else ()}


def looked_at(world: World, browser: Browser) -> dict[str, object]:
    pids = browser.processes()
    itself = [pid for pid in pids if processes.is_chromium(pid) and "--headless=new" in processes.command_line(pid)]
    itself = [pid for pid in itself if not any(part.startswith("--type=") for part in processes.command_line(pid))]
    return {
        "user": os.geteuid(),
        "lines": [processes.command_line(pid) for pid in itself],
        "networks": sorted({processes.network_of(pid) for pid in itself}),
        "own_network": processes.network_of(),
        "seccomp": sorted({processes.seccomp_of(pid) for pid in pids if processes.is_renderer(pid)}),
        "seen": world.seen,
    }


def main(names: list[str]) -> None:
    for word, flags in (("without-unshare", _ANY), ("without-networks", _NEW_NETWORK)):
        if word in names:
            refuse_unshare(flags)
            names.remove(word)
    folder = Path(tempfile.gettempdir())
    with made_world(folder, alone=False) as world:
        with Browser(world.settings) as browser:
            for name in names:
                print(json.dumps(show(world, browser, name)), flush=True)
            print(json.dumps(looked_at(world, browser)), flush=True)
            world.give_back()
        print(json.dumps({"left": [path.name for path in folder.iterdir()], "seen": world.seen}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
