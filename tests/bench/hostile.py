#!/usr/bin/env python3
"""The curve of cleaning over hostile pages: CPU time and memory of the whole path at n/4, n/2 and n.

    python tests/bench/hostile.py [NAME…] [--scale 1] [--json FILE]

Each page runs in a process of its own. A doubling that costs more than 2.6 times is flagged, as is more memory than
200 MB + 2 KB a node (element, text or attribute), as are lost characters. Exits 1 where anything is flagged.
"""

import argparse
import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tests.clean.hostile_pages import CASES, SIZES  # noqa: E402

STEEPEST = 2.6  # times the time for twice the size
NOISE_S = 0.2  # below this the clock and the allocator decide
BASE_MB, NODE_KB = 200, 2
LIMIT_S = 120


def run(name: str, size: int) -> dict[str, Any]:
    """One page through the whole path, in this process."""
    from tasks.reading import read_article
    from tests.clean.helpers import URL, our_rules

    rules = our_rules()
    read_article(CASES["paragraphs"](10), url=URL, rules=rules)  # late imports
    html = CASES[name](size)
    before = peak_mb()
    started = time.process_time()
    article, _ = read_article(html, url=URL, rules=rules)
    spent = time.process_time() - started
    peak = peak_mb()
    lost = article.page_chars - article.kept_chars - sum(removal.chars for removal in article.removals)
    return {
        "size": size,
        "mb": round(len(html) / 1e6, 2),
        "s": round(spent, 3),
        "before_mb": round(before),
        "peak_mb": round(peak),
        "nodes": nodes(html),
        "lost": lost,
        "flags": list(getattr(article, "flags", ())),
    }


def peak_mb() -> float:
    """The most memory that this process ever held; getrusage would count what its parent held when it was forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def nodes(html: str) -> int:
    """Elements, texts and attributes of the page's tree."""
    from tasks.clean import parse_tree

    root = parse_tree(html).root
    if root is None:
        return 0
    count = 0
    for top in (root, *root.itersiblings()):
        for element in top.iter():
            count += 1 + bool(element.text) + bool(element.tail) + len(element.attrib)
    return count


def fresh(name: str, size: int) -> dict[str, Any]:
    """The same in a fresh process."""
    command = [sys.executable, __file__, "--one", name, "--size", str(size)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"size": size, "error": f"no end after {LIMIT_S} s"}
    if done.returncode:
        return {"size": size, "error": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:200]}
    return dict(json.loads(done.stdout))


def quicker(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Of two runs of one page the one that took less time."""
    return min(one, other, key=lambda point: float(point.get("s", LIMIT_S)))


def faults(points: list[dict[str, Any]]) -> list[str]:
    """What is wrong with a curve."""
    found = [point["error"] for point in points if "error" in point]
    good = [point for point in points if "error" not in point]
    for small, large in pairwise(good):
        if large["s"] > NOISE_S and large["s"] > STEEPEST * max(small["s"], NOISE_S / 4):
            found.append(f"{large['s'] / max(small['s'], 0.001):.1f} x the time for twice the size")
    for point in good:
        if point["peak_mb"] > BASE_MB + point["nodes"] * NODE_KB / 1024:
            found.append(f"{point['peak_mb']} MB for {point['nodes']} nodes")
        if point["lost"]:
            found.append(f"{point['lost']} characters lost")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="cases whose names contain one of these")
    parser.add_argument("--scale", type=float, default=1.0, help="of the full size")
    parser.add_argument("--json", type=Path, help="also write the points there")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run(options.one, options.size)))
        return 0
    flagged, rows = 0, {}
    heads = ("page", "MB", "nodes", "n/4 s", "n/2 s", "n s", "per doubling", "peak MB", "flagged")
    print("| " + " | ".join(heads) + " |\n|---" + "|---:" * (len(heads) - 2) + "|---|")
    for name in CASES:
        if options.names and not any(part in name for part in options.names):
            continue
        full = max(4, int(SIZES[name] * options.scale))
        points = rows[name] = [fresh(name, full // part) for part in (4, 2, 1)]
        wrong = faults(points)
        if any("x the time" in fault for fault in wrong):  # other programs slow one run down, not the same one twice
            points = rows[name] = [quicker(point, fresh(name, point["size"])) for point in points]
            wrong = faults(points)
        flagged += bool(wrong)
        print(row(name, points, wrong), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"{len(rows)} pages, {flagged} flagged")
    return int(flagged > 0)


def row(name: str, points: list[dict[str, Any]], wrong: list[str]) -> str:
    """One line of the table."""
    times = [point.get("s") for point in points]
    ratio = f"{(times[-1] / times[0]) ** 0.5:.2f}" if times[0] and times[-1] else "-"
    last = points[-1]
    cells = [name, last.get("mb", "-"), last.get("nodes", "-")]
    cells += ["-" if one is None else f"{one:.2f}" for one in times]
    cells += [ratio, last.get("peak_mb", "-"), "; ".join(wrong)]
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
