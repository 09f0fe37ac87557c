#!/usr/bin/env python3
"""A page with 25 requisites on loopback, each answer 50 ms late: our capture beside `wget -p --warc-file`, in one run.

    python -m tests.bench.requisites [--rounds 5] [--delay-ms 50]

Ours is the whole capture, page and requisites, without start-up; wget's wall time has its start-up of some
milliseconds. Exit 1 where ours takes more than a third.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

from tasks.capture.fetch import Recorder
from tasks.capture.requisites import gather
from tasks.settings import load_settings
from tests.capture.requisites.site import Answer, Site

PICTURES = 22


def answers() -> dict[str, Answer]:
    html = "<!doctype html><title>t</title><link rel=stylesheet href=/a.css>"
    html += "".join(f"<p>Words of the page.</p><img src=/{number}.png>" for number in range(PICTURES))
    made = {f"/{number}.png": Answer(b"x" * 20_000) for number in range(PICTURES)}
    made["/"] = Answer(html.encode(), "text/html; charset=utf-8")
    made["/a.css"] = Answer(b"@import 'b.css'; body{background:url(/bg.png)}", "text/css")
    made["/b.css"] = Answer(b"p{color:red}", "text/css")
    return made | {"/bg.png": Answer(), "/robots.txt": Answer(b"", "text/plain")}


def ours(site: Site) -> float:
    settings = load_settings(environ={}, allow=(site.pair,))
    with Recorder(settings) as recorder:
        started = time.monotonic()
        capture = recorder.capture(site.url("/"))
        whole = gather(capture, site.answers["/"].body.decode(), recorder)
        took = time.monotonic() - started
        assert whole.requisites is not None
        assert (whole.requisites.wanted, len(whole.requisites.missing)) == (PICTURES + 3, 0)
        whole.close()
    return took


def wget(site: Site) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = ["wget", "-q", "-p", "-e", "robots=off", f"--warc-file={folder}/w", "-P", folder, site.url("/")]
        before, started = len(site.asked), time.monotonic()
        subprocess.run(command, check=True, timeout=120)
        took = time.monotonic() - started
    assert len(site.asked) - before >= PICTURES + 4, site.paths()[before:]
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delay-ms", type=float, default=50)
    args = parser.parse_args()
    mine, theirs = [], []
    with Site(answers(), delay_s=args.delay_ms / 1000) as site:
        for _ in range(args.rounds):
            mine.append(ours(site))
            theirs.append(wget(site))
    ratio = statistics.median(mine) / statistics.median(theirs)
    print(f"ours {statistics.median(mine):.3f} s, wget {statistics.median(theirs):.3f} s, ratio {ratio:.2f} (bar .33)")
    return 1 if ratio > 1 / 3 else 0


if __name__ == "__main__":
    sys.exit(main())
