"""Changes to a watch.toml keep what people wrote, and leave the file alone where they would not."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import NotFound, SettingsError, WouldOverwrite
from tasks.sources import edit
from tasks.sources.config import read_sources

TEXT = """# Our sources.

# The courier, every half hour.
[sources.courier]  # a daily
feed = "https://courier.example/rss" # the whole paper
# not at night
cron = "*/30 6-22 * * *"
# until here

# Rulings.
[sources.rulings]
urls = [
  "https://court.example/1",  # the first
  "https://court.example/2",
]
cron = "0 5 * * *"

# the end
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "watch.toml"
    path.write_text(TEXT)
    return path


def test_a_source_is_added_at_the_end(file: Path) -> None:
    made = edit.add(file, "new", {"interval": "1h", "section": "https://n.example/", "include": ["*/a/*", "*/b/*"]})
    added = '\n[sources.new]\nsection = "https://n.example/"\ninterval = "1h"\ninclude = ["*/a/*", "*/b/*"]\n'
    assert file.read_text() == TEXT + added
    assert (made.name, made.kind, made.where) == ("new", "section", f"{file}:20")


def test_the_first_source_makes_file_and_folder(tmp_path: Path) -> None:
    path = tmp_path / "config" / "watch.toml"
    edit.add(path, "a", {"urls": ["https://a.example/"], "cron": "* * * * *"})
    assert path.read_text() == '[sources.a]\nurls = ["https://a.example/"]\ncron = "* * * * *"\n'
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_pausing_and_resuming_change_one_line(file: Path) -> None:
    assert edit.pause(file, "courier").paused
    paused = TEXT.replace('* * *"\n# until', '* * *"\npaused = true\n# until', 1)
    assert file.read_text() == paused
    edit.pause(file, "courier")
    assert file.read_text() == paused
    assert not edit.resume(file, "courier").paused
    assert file.read_text() == paused.replace("true", "false")
    edit.resume(file, "rulings")
    assert "paused = false" not in file.read_text().partition("[sources.rulings]")[2]


def test_removing_keeps_the_comments_around(file: Path) -> None:
    edit.remove(file, "courier")
    start, end = TEXT.index("[sources.courier]"), TEXT.index("# until here")
    assert file.read_text() == TEXT[:start] + TEXT[end:]
    edit.remove(file, "rulings")
    assert file.read_text().splitlines()[-1] == "# the end"
    assert read_sources(file) == {}


def test_removing_the_last_keeps_the_comments_below(file: Path) -> None:
    edit.remove(file, "rulings")
    start, end = TEXT.index("[sources.rulings]"), TEXT.index("\n# the end")
    assert file.read_text() == TEXT[:start] + TEXT[end:]


def test_line_ends_of_windows_and_the_mode_of_the_file_stay(file: Path) -> None:
    file.write_bytes(TEXT.replace("\n", "\r\n").encode())
    file.chmod(0o640)
    edit.pause(file, "rulings")
    edit.add(file, "new", {"urls": ["https://n.example/"], "interval": "1h"})
    edit.remove(file, "courier")
    data = file.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > 10
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    edit.pause(link, "courier")
    assert link.is_symlink()
    assert read_sources(file)["courier"].paused


@pytest.mark.parametrize(
    "text",
    [
        "[sources]\na = {urls = ['https://a.example/'], interval = '1h'}\nb = {list = 'b.txt', cron = '0 5 * * *'}\n",
        "sources.a.urls = ['https://a.example/']\nsources.a.interval = '1h'\n",
        "[sources]\n[sources.b]\nurls = ['https://b.example/']\ninterval = '1h'\n[sources.a]\nurls = ['https://a.example/']\n"
        "interval = '1h'",
        "[sources.'a']\nurls = ['''\nhttps://a.example/''']\ninterval = '1h'\n",
    ],
)
def test_other_ways_to_write_a_source_are_changed_too(file: Path, text: str) -> None:
    for change in (edit.pause, edit.remove):
        file.write_text(text)
        before = read_sources(file)
        change(file, "a")
        after = read_sources(file)
        assert ("a" not in after) if change is edit.remove else after["a"].paused
        assert {name: one.urls for name, one in after.items() if name != "a"} == {
            name: one.urls for name, one in before.items() if name != "a"
        }


@pytest.mark.parametrize(
    ("name", "keys", "says"),
    [
        ("New", {"urls": ["https://n.example/"], "interval": "1h"}, "lower-case letters"),
        ("new", {"urls": ["https://n.example/"], "interval": "1s"}, "interval is '1s'"),
        ("new", {"urls": ["https://n.example/"], "cron": "1 h", "interval": "1h"}, "cron is '1 h'"),
        ("new", {"interval": "1h"}, "one of feed"),
        ("new", {"feed": "https://a/", "list": "x", "interval": "1h"}, "one of feed"),
        ("a.b", {"urls": ["https://n.example/"], "interval": "1h"}, "lower-case letters"),
        ("x]\n[y", {"urls": ["https://n.example/"], "interval": "1h"}, "lower-case letters"),
    ],
)
def test_what_watch_toml_would_not_take_is_not_written(
    file: Path, name: str, keys: dict[str, object], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        edit.add(file, name, keys)
    assert file.read_text() == TEXT
    assert [path.name for path in file.parent.iterdir()] == ["watch.toml"]


def test_a_name_that_is_taken_or_not_there_is_refused(file: Path) -> None:
    with pytest.raises(WouldOverwrite, match=r"watch.toml:4: there is a source 'courier'"):
        edit.add(file, "courier", {"urls": ["https://n.example/"], "interval": "1h"})
    for change in (edit.remove, edit.pause, edit.resume):
        with pytest.raises(NotFound, match=r"no source 'x'\. The file has: courier, rulings"):
            change(file, "x")
    assert file.read_text() == TEXT


def test_a_broken_file_is_left_alone(file: Path) -> None:
    file.write_text(TEXT + "x = = 1\n")
    with pytest.raises(SettingsError, match="not TOML"):
        edit.pause(file, "courier")
    assert file.read_text() == TEXT + "x = = 1\n"


ADDING = """
import sys
from pathlib import Path
from tasks.sources import edit
sys.stdin.readline()
for number in range(15):
    edit.add(Path(sys.argv[1]), f"{sys.argv[2]}-{number}", {"urls": ["https://a.example/"], "interval": "1h"})
"""


def test_of_two_that_change_it_at_once_neither_is_refused_nor_lost(tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    adding = [
        subprocess.Popen([sys.executable, "-c", ADDING, path, who], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for who in ("one", "two", "three")
    ]
    for process in adding:
        assert process.stdin
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in adding:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    assert set(read_sources(path)) == {f"{who}-{number}" for who in ("one", "two", "three") for number in range(15)}
    assert [file.name for file in tmp_path.iterdir()] == ["watch.toml"]


def test_what_someone_else_wrote_meanwhile_is_not_lost(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def writing(handle: int) -> None:
        file.write_text(TEXT + "# mine\n")

    monkeypatch.setattr(os, "fsync", writing)
    with pytest.raises(SettingsError, match="was changed meanwhile"):
        edit.pause(file, "courier")
    assert file.read_text() == TEXT + "# mine\n"


@settings(max_examples=60, deadline=None)
@given(
    notes=st.lists(st.text("# é\"'=[]ab\\", max_size=12).map(lambda text: f"# {text}"), min_size=8, max_size=8),
    steps=st.lists(
        st.tuples(st.sampled_from(["pause", "resume", "remove", "add"]), st.sampled_from("abc")), max_size=6
    ),
)
def test_no_series_of_changes_loses_a_comment_outside_a_table_or_touches_another_source(
    tmp_path_factory: pytest.TempPathFactory, notes: list[str], steps: list[tuple[str, str]]
) -> None:
    file = tmp_path_factory.mktemp("edit") / "watch.toml"
    tables = [
        f"{notes[n]}\n[sources.{name}]\nurls = ['https://{name}.example/']\ninterval = '1h'\n{notes[n + 3]}\n\n"
        for n, name in enumerate("abc")
    ]
    file.write_text(f"{notes[6]}\n\n{''.join(tables)}{notes[7]}\n")
    there = set("abc")
    for step, name in steps:
        keys = {"urls": [f"https://{name}.example/"], "interval": "1h"}
        if (step == "add") == (name in there):
            continue
        edit.add(file, name, keys) if step == "add" else getattr(edit, step)(file, name)
        there = there | {name} if step == "add" else there - {name} if step == "remove" else there
        sources = read_sources(file)
        assert {key: one.urls for key, one in sources.items()} == {key: (f"https://{key}.example/",) for key in there}
        lines = file.read_text().splitlines()
        assert all(lines.count(note.strip()) + lines.count(note) for note in notes)
