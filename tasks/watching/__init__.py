"""Watch runs: what a source names, archived when it is due, reported in the store. Read run.py first."""

from tasks.watching.fetch import fetch_source
from tasks.watching.plan import Plan, held_urls, plan_stage
from tasks.watching.report import Report
from tasks.watching.run import discover_stage, watch_source
from tasks.watching.shards import archive_shard, archive_stream, share_of
from tasks.watching.state import Watched, open_watched

__all__ = [
    "Plan",
    "Report",
    "Watched",
    "archive_shard",
    "archive_stream",
    "discover_stage",
    "fetch_source",
    "held_urls",
    "open_watched",
    "plan_stage",
    "share_of",
    "watch_source",
]
