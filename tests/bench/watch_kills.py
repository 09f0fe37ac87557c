"""A watch run killed at random moments, then run again: is every page archived exactly once, and does the store verify?

python -m tests.bench.watch_kills --runs 20
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tasks.bundle.verify import is_sound, verify_file
from tasks.watching import watch_source
from tests.capture.requisites.site import Site
from tests.watching.test_runs import KILLED, page, source, tools

PAGES = tuple(f"/story-{number}" for number in range(24))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    args = parser.parse_args()
    draw, wrong, killed = random.Random(20), 0, 0
    for number in range(args.runs):
        with tempfile.TemporaryDirectory() as folder, Site({path: page(path) for path in PAGES}, delay_s=0.05) as site:
            killed += _killed(Path(folder), site, draw)
            with tools(site, Path(folder)) as made:
                report = watch_source(source(site, PAGES, revisit=(3600.0,)), made)
                ids = list(made.store.list_ids())
            sound = all(is_sound(verify_file(path)) for path in Path(folder).glob("store/v1/bundles/*/*/*/*.wacz"))
            good = len(ids) == len(PAGES) and report.good and sound
            wrong += not good
            print(
                f"{number + 1:3}: {len(PAGES) - len(report.outcomes):3} before the kill, {len(ids)} bundles, "
                f"{'sound' if sound else 'NOT SOUND'}",
                flush=True,
            )
    print(f"{args.runs} runs, {killed} killed before their end, {wrong} wrong (bar: 0)")
    return 1 if wrong else 0


def _killed(folder: Path, site: Site, draw: random.Random) -> bool:
    """Whether it was under way still; killed a moment after it told of so many pages."""
    code = KILLED.replace("source(Away(), revisit", f"source(Away(), {PAGES!r}, revisit")
    command = [sys.executable, "-W", "ignore", "-c", code, str(folder), site.pair, ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout
        for _ in range(draw.randrange(len(PAGES))):
            process.stdout.readline()
        time.sleep(draw.uniform(0.0, 0.3))
        running = process.poll() is None
        process.kill()
    return running


if __name__ == "__main__":
    sys.exit(main())
