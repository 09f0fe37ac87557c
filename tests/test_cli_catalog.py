"""list, search, versions and catalog as a user meets them."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.store.events import Event
from tasks.store.layout import manifest_key
from tasks.store.objects import Content
from tests.catalog.kit import URL, Desk, derived, put

COURIER = "https://courier.example/ferry"
WHY = ("blocked-forbidden", "status-403")


def tearsheet(desk: Desk, *args: str) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("TEARSHEET_")}
    environ |= {"TEARSHEET_STORE": desk.settings.store, "TEARSHEET_CACHE": desk.settings.cache}
    command = [sys.executable, "-m", "flows.cli", *args]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Desk, list[str]]:
    desk = Desk(tmp_path)
    first = put(desk.store, "20260301080000", "The ferry sails.", title="Old\x1b[31m", url=f"{COURIER}/?utm_source=x")
    second = derived(desk.store, first, "The ferry sails again.", title="The ferry", url=COURIER, authors=["Ada Byron"])
    third = put(desk.store, "20260302080000", "Denied.", verdict="blocked", url=COURIER)
    return desk, [first, second, third]


def test_list_keeps_its_form_and_takes_filters(filled: tuple[Desk, list[str]]) -> None:
    desk, (first, second, third) = filled
    listed = tearsheet(desk, "list")
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[0] == f"{second}  ok            4 words  The ferry"
    assert listed.stdout.splitlines()[1] == f"    {COURIER}"
    assert "2 bundles in" in listed.stderr
    rows = [json.loads(line) for line in tearsheet(desk, "list", "--all", "--json").stdout.splitlines()]
    assert {row["id"] for row in rows} == {first, second, third}
    named = tearsheet(desk, "list", "--author", "byron", "--until", "2026-03-01", "--host", "courier.example", "--json")
    assert [json.loads(line)["id"] for line in named.stdout.splitlines()] == [second]
    wrong = tearsheet(desk, "list", "--verdict", "fine")
    assert (wrong.returncode, "there are ok, partial" in " ".join(wrong.stderr.split())) == (2, True)
    assert tearsheet(desk, "list", "--since", "soon").returncode == 2


def test_what_has_a_bad_verdict_is_listed_in_quarantine_and_never_the_newest(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    good = put(desk.store, "20260301080000", "The ferry sails.", url=COURIER)
    bad = put(desk.store, "20260302080000", "The ferry is denied.", verdict="blocked", reasons=WHY, url=COURIER)
    gone = put(desk.store, "20260303080000", "The ferry is gone.", verdict="soft404", url=COURIER)
    desk.store.put_event(Event("tombstone", datetime.now(UTC), gone, {"reason": "asked for"}))
    listed = tearsheet(desk, "list")
    assert f"{bad}  blocked       4 words  –\n    {COURIER}\n    in quarantine: {', '.join(WHY)}\n" in listed.stdout
    assert "3 bundles in" in listed.stderr
    assert "1 of them in quarantine" in listed.stderr
    rows = [json.loads(line) for line in tearsheet(desk, "list", "--json").stdout.splitlines()]
    assert {row["id"]: row["quarantine"] for row in rows} == {good: False, bad: True, gone: False}
    alone = tearsheet(desk, "list", "--quarantine", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in alone] == [bad]
    told = [json.loads(line) for line in tearsheet(desk, "versions", COURIER, "--json").stdout.splitlines()]
    assert [row["id"] for row in told if row["newest"]] == [good]
    found = [json.loads(line) for line in tearsheet(desk, "search", "ferry", "--json").stdout.splitlines()]
    assert [(row["id"], row["quarantine"]) for row in found] == [(good, False)]
    every = tearsheet(desk, "search", "denied", "--all")
    assert f"{bad}  blocked  4 words  in quarantine: {WHY[0]}" in every.stdout


def test_without_bad_verdicts_nothing_speaks_of_quarantine(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    put(desk.store, "20260301080000", "The ferry sails.", url=COURIER)
    listed = tearsheet(desk, "list")
    assert "quarantine" not in listed.stdout + listed.stderr
    assert tearsheet(desk, "list", "--quarantine").stdout == ""


def test_search_shows_what_was_found_and_where(filled: tuple[Desk, list[str]]) -> None:
    desk, (_, second, _) = filled
    row = json.loads(tearsheet(desk, "search", "ferry author:byron", "--json").stdout)
    assert (row["id"], row["url"], row["title"]) == (second, COURIER, "The ferry")
    assert [row["snippet"][start:end] for start, end in row["marks"]] == ["ferry"]
    assert [row["title"][start:end] for start, end in row["title_marks"]] == ["ferry"]
    plain = tearsheet(desk, "search", "ferry", "--all")
    assert "The ferry sails again." in plain.stdout
    assert "\x1b" not in plain.stdout
    assert "2 results" in plain.stderr


def test_search_says_plainly_what_it_cannot_do(filled: tuple[Desk, list[str]]) -> None:
    desk, _ = filled
    nothing = tearsheet(desk, "search", "albatross")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    wrong = tearsheet(desk, "search", 'a "b')
    assert wrong.returncode == 2
    assert "no other one" in wrong.stderr
    assert "sqlite" not in wrong.stderr.lower()


def test_versions_are_told_with_their_urls_and_why(filled: tuple[Desk, list[str]]) -> None:
    desk, (first, second, third) = filled
    at = datetime.now(UTC) - timedelta(hours=1)
    desk.store.put_event(Event("observation", at, second, {"url": COURIER, "why": "same-text"}))
    told = tearsheet(desk, "versions", "http://www.courier.example/ferry?fbclid=1")
    assert told.returncode == 0
    lines = {line.split()[1]: line for line in told.stdout.splitlines()[:3]}
    assert lines[second].endswith(f"derived of {first}; seen 1 more time, last {at:%Y-%m-%dT%H:%M:%SZ}; newest")
    assert lines[third].endswith("bad; in quarantine")
    assert f"      {COURIER}/?utm_source=x  (asked, slash, tracker)" in told.stdout
    rows = [json.loads(line) for line in tearsheet(desk, "versions", COURIER, "--json").stdout.splitlines()]
    assert [(row["number"], row["newest"]) for row in rows] == [
        (n, row["id"] == second) for n, row in enumerate(rows, 1)
    ]
    assert (rows[-1]["kind"], [row["quarantine"] for row in rows]) == ("bad", [False, False, True])
    none = tearsheet(desk, "versions", URL)
    assert (none.returncode, "no bundle of this URL" in none.stderr) == (1, True)


def test_a_tombstone_is_shown_and_the_text_never(filled: tuple[Desk, list[str]]) -> None:
    desk, (first, second, _) = filled
    assert "sails again" in tearsheet(desk, "search", "sails").stdout
    for id_ in (first, second):
        desk.store.put_event(Event("tombstone", datetime.now(UTC), id_, {"reason": "court \x1b[31m order"}))
    assert tearsheet(desk, "search", "sails", "--all").returncode == 1
    told = tearsheet(desk, "versions", COURIER)
    assert told.stdout.count("tombstone; taken down") == 2
    assert "\x1b" not in told.stdout
    listed = tearsheet(desk, "list").stdout
    assert "The ferry" not in listed
    assert "taken down" in listed


def test_the_catalog_is_rebuilt_refreshed_and_told_of(filled: tuple[Desk, list[str]]) -> None:
    desk, ids = filled
    rebuilt = json.loads(tearsheet(desk, "catalog", "rebuild", "--json").stdout)
    assert (rebuilt["bundles"], rebuilt["captures"], rebuilt["broken"]) == (3, 2, [])
    assert Path(rebuilt["path"]).is_file()
    damaged = "20260101000000-0123456789abcdef"
    desk.store.objects.create(manifest_key(damaged), Content.of_bytes(b"{"))
    told = tearsheet(desk, "catalog", "rebuild")
    assert told.returncode == 1
    assert f"  {damaged}: the whole: not JSON" in told.stdout
    assert tearsheet(desk, "catalog", "info").returncode == 1
    assert f"{damaged}.json" in tearsheet(desk, "catalog", "refresh").stderr
    assert ids[0] in tearsheet(desk, "list", "--all").stdout
