"""Whose turn it is in an audit: everything, or in a rolling one the share that makes each be read once a period.

The share is the part of the period that went by since the last rolling audit, so that a day missed is caught up; what
bounds (--limit, --bytes) left undone is owed and added. Within it go first those that were found unsound, then the
longest unread: by the fixity events of the store, and never by chance.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from math import ceil

from tasks.auditing.history import History
from tasks.auditing.inventory import Inventory, Item
from tasks.auditing.report import Plan

__all__ = ["Turns"]

_FIRST_SHARE_DAYS = 1.0  # what the first rolling audit of a store reads of its period


class Turns:
    """What one audit reads; `owed` and `due` are known once bundles() was asked."""

    def __init__(self, plan: Plan, inventory: Inventory, history: History, began: datetime) -> None:
        self.plan, self.inventory, self.history, self.began = plan, inventory, history, began
        self.owed = self.due = 0

    def events(self) -> Iterator[Item]:
        """Every event; in a rolling audit those whose digest, as a day of the period, came round since the last one."""
        period = self.plan.period_days
        if not period:
            return self.inventory.items("event")
        last, today = self.history.rolled_at, self.began.toordinal()
        first = date(int(last[:4]), int(last[4:6]), int(last[6:8])).toordinal() + 1 if last else today
        turns = {day % period for day in range(max(first, today - period), today + 1)}
        return (item for item in self.inventory.items("event") if int(item.name[-16:], 16) % period in turns)

    def bundles(self) -> Iterator[tuple[Item, int | None]]:
        """Bundles (their manifests) and sources, each with the size that its data were listed with."""
        if self.plan.period_days or self.plan.limit or self.plan.max_bytes:
            chosen = list(self._chosen())
            self.due = len(chosen)
            return iter(chosen)
        kinds = ("manifest",) if self.plan.level == "size" else ("manifest", "source")
        self.due = sum(map(self.inventory.count, kinds)) - self.inventory.count_of("done")
        done = self.inventory.has
        return ((item, self._size(item)) for item in self.inventory.items(*kinds) if not done("done", item.name))

    def _chosen(self) -> Iterator[tuple[Item, int | None]]:
        share, size, count = self._share(), 0, 0
        bound = min(share, self.plan.limit or share)
        for item in islice(self.inventory.due(bound), bound):
            listed = self._size(item)
            size += listed or 0
            if self.plan.max_bytes and size > self.plan.max_bytes and count:
                break  # the first goes through whatever its size, else one large bundle would stop the rotation
            count += 1
            yield item, listed
        self.owed = share - count

    def _share(self) -> int:
        """How many bundles and sources this audit has to read, before any bound."""
        total = self.inventory.count("manifest") + self.inventory.count("source")
        if not self.plan.period_days:
            return total - self.inventory.count_of("done")
        days, owed, read = _FIRST_SHARE_DAYS, 0, 0
        if last := self.history.rolled_at:
            days = (self.began - datetime.strptime(last, "%Y%m%d%H%M%S").replace(tzinfo=UTC)) / timedelta(days=1)
            owed, read = self.history.owed, self.inventory.count_read_since(last)
        share = ceil(total * max(0.0, days) / self.plan.period_days)
        return max(0, min(total, share + owed - read))

    def _size(self, item: Item) -> int | None:
        if "-" not in item.name:
            return item.size  # a source
        wacz = self.inventory.get("wacz", item.name)
        return wacz.size if wacz else None
