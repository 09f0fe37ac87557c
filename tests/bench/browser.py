#!/usr/bin/env python3
"""Browser mode on a page of 25 requests, drawn by script, on loopback: time, memory, and what 50 pages in a row leave.

    python -m tests.bench.browser [--rounds 9] [--pages 50]

A visit is the page's capture, loading, scrolling, DOM, screenshot and thumbnail in a browser that runs already. Memory
is the proportional set size (PSS) of all its processes, the most that was seen during the visits. Growth is that of
the browser and of this program from the tenth page on. Exit 1 where a bar is missed.
"""

import argparse
import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.capture.browser import Browser
from tasks.capture.fetch import Recorder
from tasks.records import Capture
from tasks.settings import load_settings
from tests.capture.browser import processes
from tests.capture.browser.hostile_pages import PIXEL
from tests.capture.requisites.site import Answer, Site

BAR_S, BAR_MB, BAR_GROWTH_MB = 2.5, 450.0, 50.0
LAZY, PICTURES = 12, 6
SETTLED = 10  # pages after which growth is growth


def answers() -> dict[str, Answer]:
    """The page, two scripts, data, two sheets, a picture of a sheet, lazy pictures and others: 25 requests."""
    html = (
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>loading</title><link rel=stylesheet href=/a.css>"
        "<link rel=icon href=/icon.png></head><body><h1>Ferries</h1><div id=drawn></div>"
        + "".join(f"<img src=/picture-{number}.png width=300 height=200>" for number in range(PICTURES))
        + "".join(
            f"<p>{'Words of the page. ' * 30}</p><img data-src=/lazy-{n}.png width=200 height=120>" for n in range(LAZY)
        )
        + "<script src=/app.js></script><script src=/lazy.js></script></body></html>"
    )
    app = (
        "fetch('/data.json').then(r => r.json()).then(d => { document.title = d.title; drawn.innerHTML = "
        "d.paragraphs.map(p => '<p>' + p + '</p>').join('') })"
    )
    lazy = (
        "const seen = new IntersectionObserver(all => all.forEach(e => { if (e.isIntersecting) e.target.src = "
        "e.target.dataset.src })); document.querySelectorAll('img[data-src]').forEach(e => seen.observe(e))"
    )
    data = b'{"title": "Drawn", "paragraphs": [' + b", ".join([b'"Drawn by script."'] * 30) + b"]}"
    made = {f"/lazy-{number}.png": Answer(PIXEL) for number in range(LAZY)}
    made |= {f"/picture-{number}.png": Answer(PIXEL) for number in range(PICTURES)}
    made["/"] = Answer(html.encode(), "text/html; charset=utf-8")
    made["/app.js"], made["/lazy.js"] = (
        Answer(app.encode(), "text/javascript"),
        Answer(lazy.encode(), "text/javascript"),
    )
    made["/data.json"] = Answer(data, "application/json")
    made["/a.css"] = Answer(b"@import 'b.css'; h1 { background: url(/back.png) }", "text/css")
    return made | {"/b.css": Answer(b"p { margin: 2em }", "text/css"), "/back.png": Answer(PIXEL)}


def visit(site: Site, browser: Browser, recorder: Recorder) -> tuple[float, Capture]:
    """One visit and how long it took; checked for what it should hold."""
    started = time.monotonic()
    seen = browser.visit(recorder.capture(site.url("/")), recorder)
    took = time.monotonic() - started
    assert seen.rendered is not None
    assert (seen.rendered.title, seen.rendered.flags) == ("Drawn", ()), seen.rendered
    held = {exchange.url.removeprefix(site.url("")) for exchange in (*seen.exchanges, *seen.beside)}
    assert set(site.answers) <= held, set(site.answers) - held
    assert {one.name for one in seen.rendered.resources} == {"dom", "view", "thumbnail"}
    return took, seen


@contextmanager
def most_memory(browser: Browser) -> Iterator[list[float]]:
    """The memory of the browser's processes, looked at again and again; the list grows."""
    found, done = [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            found.append(processes.memory_mb(browser.processes()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def held_now(browser: Browser) -> tuple[float, int, int, int]:
    """MB of both, processes, descriptors and threads."""
    time.sleep(1.0)  # for the renderer of the page before
    gc.collect()
    pids = browser.processes()
    memory = processes.memory_mb(pids) + processes.memory_mb([os.getpid()])
    return memory, len(pids), processes.open_files(), threading.active_count()


def rounds(site: Site, browser: Browser, recorder: Recorder, number: int) -> tuple[float, float]:
    """The median time of a visit, and the most memory; measured apart, for looking at memory takes time."""
    visit(site, browser, recorder)[1].close()
    times = []
    for _ in range(number):
        took, seen = visit(site, browser, recorder)
        seen.close()
        times.append(took)
    with most_memory(browser) as found:
        for _ in range(3):
            visit(site, browser, recorder)[1].close()
    print(f"{number} warm visits: median {statistics.median(times):.2f} s, {min(times):.2f} to {max(times):.2f}")
    return statistics.median(times), max(found)


def in_a_row(site: Site, browser: Browser, recorder: Recorder, pages: int) -> tuple[float, list[str]]:
    """MB of growth over so many pages, and what else there is more of."""
    first = last = held_now(browser)
    for number in range(pages):
        visit(site, browser, recorder)[1].close()
        if number == min(SETTLED, pages // 2):
            first = held_now(browser)
    last = held_now(browser)
    names = ("processes", "descriptors", "threads")
    more = [f"{name}: {a} → {b}" for name, a, b in zip(names, first[1:], last[1:], strict=True) if b > a]
    print(f"{pages} pages in a row: {first[0]:.0f} MB after {SETTLED}, {last[0]:.0f} MB at the end", *more)
    return last[0] - first[0], more


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pages", type=int, default=50)
    args = parser.parse_args()
    print("load of this machine before:", *(f"{load:.1f}" for load in os.getloadavg()))
    with tempfile.TemporaryDirectory() as folder, Site(answers()) as site:
        tempfile.tempdir = folder
        settings = load_settings(environ={}, allow=(site.pair,))
        with Recorder(settings) as recorder, Browser(settings) as browser:
            took_s, memory_mb = rounds(site, browser, recorder, args.rounds)
            growth_mb, more = in_a_row(site, browser, recorder, args.pages)
            pids = browser.processes()
        left = [*map(str, processes.gone(pids)), *(path.name for path in Path(folder).iterdir())]
        tempfile.tempdir = None
    table = [
        ("warm visit, s", took_s, BAR_S),
        ("memory, MB PSS", memory_mb, BAR_MB),
        (f"growth over {args.pages} pages, MB", growth_mb, BAR_GROWTH_MB),
        ("more processes, descriptors, threads", float(len(more)), 0.0),
        ("processes and files left", float(len(left)), 0.0),
    ]
    print(f"{'':38}{'found':>9}{'bar':>9}")
    for name, found, bar in table:
        print(f"{name:38}{found:9.2f}{bar:9.2f}  {'ok' if found <= bar else 'MISSED'}")
    print("load of this machine after:", *(f"{load:.1f}" for load in os.getloadavg()))
    return int(any(found > bar for _, found, bar in table))


if __name__ == "__main__":
    sys.exit(main())
