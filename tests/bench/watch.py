"""A watch list of a million pages: planning a run, without network, on a clock of its own.

    python -m tests.bench.watch -n 1000000

Bar: planning < 10 s, memory < 500 MB.
"""

import argparse
import random
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tasks.pipeline import open_tools
from tasks.settings import config_dirs, load_settings
from tasks.sources import Source
from tasks.store.events import Event
from tasks.watching import open_watched, plan_stage
from tasks.watching.due import DAY, HOUR, Seen
from tasks.watching.plan import visits_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1_000_000, help="pages that the source has named so far")
    parser.add_argument("--named", type=int, default=2_000, help="pages that it names now, half of them new")
    args = parser.parse_args()
    source = Source(
        name="million", cron="", urls=("https://a.example/",), revisit=(HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY)
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            environ={},
            store=str(Path(folder) / "store"),
            cache=str(Path(folder) / "cache"),
            robots="ignore",
            sign=False,
        )
        with open_tools(settings, config_dirs(environ={})) as tools:
            tools.store.put_event(Event("watch", datetime.now(UTC), detail={"source": "other", "pages": []}))
            _run(args, source, tools)


def _run(args: argparse.Namespace, source: Source, tools: object) -> None:
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    draw = random.Random(6)
    started = time.perf_counter()
    with open_watched(tools.store, tools.settings) as watched:  # type: ignore[attr-defined]
        watched.plan(source.name, visits_of(source, tools))  # type: ignore[arg-type]
        watched.learn(source.name, _pages(args.n, now.timestamp(), draw))
    print(f"a file of {args.n:,} pages made in {time.perf_counter() - started:.1f} s")
    named = tuple(
        f"https://host-{n % 500}.example/story/{n}" for n in range(args.n - args.named // 2, args.n + args.named // 2)
    )
    started = time.perf_counter()
    with open_watched(tools.store, tools.settings) as watched:  # type: ignore[attr-defined]
        plan = plan_stage(source, named, tools, watched, now)  # type: ignore[arg-type]
    took = time.perf_counter() - started
    print(
        f"planned in {took:.2f} s: {len(plan.due):,} due, {plan.again:,} of them again, {plan.held:,} held (bar: 10 s)"
    )
    print(f"largest {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB (bar: 500 MB)")


def _pages(count: int, now: float, draw: random.Random) -> "list[Seen] | object":
    """Pages first seen over a year, each last visited when it was last due."""
    for number in range(count):
        first = now - draw.random() * 365 * DAY
        last = max(
            (first + after for after in (0, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY) if first + after < now - 3 * HOUR),
            default=first,
        )
        yield Seen(f"https://host-{number % 500}.example/story/{number}", first, last, first, "unchanged", 0, 500)


if __name__ == "__main__":
    main()
