"""The gate says no: to text that got worse, to other pages, and to floors that would fall without a word."""

import gzip
import json
from pathlib import Path

import pytest

from tests.clean.helpers import AFTER, BEFORE, article_page
from tests.quality.gate import FLOORS, check, main, moved, pin, reported

# A scorer of the same interface as the corpora's own: exact pages, and snippets that came out.
SCORER = """
def page(truth, text):
    words, found = truth["text"].split(), text.split()
    right = len(set(words) & set(found))
    n = len(set(words) | set(found)) or 1
    return {"n": len(text), "acc": float(words == found), "wo": [int(w in text) for w in truth["without"]],
            "z": (right / n, len(set(found) - set(words)) / n, len(set(words) - set(found)) / n)}

def total(pages):
    right = sum(page["z"][0] for page in pages) / len(pages)
    clutter = [hit for page in pages for hit in page["wo"]]
    return {"zF1": right, "acc": sum(page["acc"] for page in pages) / len(pages), "leak": sum(clutter) / len(clutter)}
"""
TEXT = f"{BEFORE} {AFTER} {AFTER} {BEFORE}"


class Corner:
    """A corpus of three pages with its floors, all in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.shared, self.floors, self.report = folder, folder / "floors.json", folder / "report.json"
        self.corpus, bench = folder / "corpus" / "zyte", folder / "bench" / "extraction"
        for made in (self.corpus, bench):
            made.mkdir(parents=True)
        (bench / "score.py").write_text(SCORER)
        self.write("good", article_page("<p>Advertisement</p>"))
        self.write("better", article_page(""))
        self.write("odd", article_page("<p class='share'>Share this article</p>"))
        self.truth("good", "better", "odd")

    def write(self, id_: str, html: str) -> None:
        (self.corpus / f"{id_}.html.gz").write_bytes(gzip.compress(html.encode(), mtime=0))

    def truth(self, *ids: str) -> None:
        rows = [
            {"id": id_, "url": "https://harbour.example/a", "text": TEXT, "without": ["Advertisement", "Share"]}
            for id_ in ids
        ]
        (self.corpus / "truth.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(self, *arguments: str) -> int:
        return main(["--shared", str(self.shared), *arguments], floors=self.floors, report=self.report)

    def table(self) -> dict:  # type: ignore[type-arg]
        return dict(json.loads(self.floors.read_text()))

    def set_floor(self, name: str, value: float) -> None:
        table = self.table()
        table["corpora"]["zyte"]["floors"][name] = value
        self.floors.write_text(json.dumps(table))


@pytest.fixture
def corner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corner:
    made = Corner(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "bench" / "extraction"))
    monkeypatch.delitem(__import__("sys").modules, "score", raising=False)
    return made


def test_what_was_pinned_passes(corner: Corner, capsys: pytest.CaptureFixture[str]) -> None:
    assert corner.run("--pin") == 0
    assert corner.run() == 0
    assert "nothing fell below its floor" in capsys.readouterr().out
    pinned = corner.table()["corpora"]["zyte"]
    assert pinned["pages"].keys() == {"good", "better", "odd"}
    assert pinned["floors"]["acc"] == pytest.approx(1 - 0.002)


def test_a_corpus_without_floors_is_refused(corner: Corner, capsys: pytest.CaptureFixture[str]) -> None:
    assert corner.run() == 1
    assert "zyte: no floors are pinned" in capsys.readouterr().out


def test_a_measure_below_its_floor_is_refused(corner: Corner, capsys: pytest.CaptureFixture[str]) -> None:
    corner.run("--pin")
    corner.set_floor("zF1", 1.5)
    assert corner.run("--corpus", "zyte") == 1
    assert "is below its floor of 1.5000" in capsys.readouterr().out


def test_pages_that_moved_are_named_the_greatest_first(corner: Corner, capsys: pytest.CaptureFixture[str]) -> None:
    corner.run("--pin")
    table = corner.table()
    table["corpora"]["zyte"]["pages"] |= {"good": 1000, "odd": 100, "better": 400}
    corner.floors.write_text(json.dumps(table))
    now = {"good": 200, "odd": 900, "better": 500, "new": 1}
    assert moved(now, table["corpora"]["zyte"]["pages"]) == (
        ["good 1.000 → 0.200"],
        ["odd 0.100 → 0.900", "better 0.400 → 0.500"],
    )
    capsys.readouterr()
    corner.run()
    assert "2 pages gained\n    odd 0.100 → " in capsys.readouterr().out


def test_other_pages_are_refused_and_named(corner: Corner, capsys: pytest.CaptureFixture[str]) -> None:
    corner.run("--pin")
    corner.write("odd", article_page("<p>Other words.</p>"))
    assert corner.run() == 1
    assert "the same names with other bytes" in capsys.readouterr().out
    corner.truth("good", "better")
    assert corner.run() == 1
    assert "1 gone (odd)" in capsys.readouterr().out


def test_pinning_never_lowers_a_floor_without_a_sentence(corner: Corner, capsys: pytest.CaptureFixture[str]) -> None:
    corner.run("--pin")
    corner.set_floor("acc", 1.2)
    before = corner.floors.read_text()
    assert corner.run("--pin") == 1
    assert "--lower" in capsys.readouterr().err
    assert corner.floors.read_text() == before
    assert corner.run("--pin", "--lower", "Exact pages were counted twice before.") == 0
    table = corner.table()
    assert table["corpora"]["zyte"]["floors"]["acc"] == pytest.approx(0.998)
    assert table["lowered"] == [
        {"corpus": "zyte", "measure": "acc", "from": 1.2, "to": 0.998, "why": "Exact pages were counted twice before."}
    ]
    assert corner.run("--pin") == 0
    assert corner.table()["lowered"] == table["lowered"]  # the sentence stays


def test_pinning_one_corpus_leaves_the_others(corner: Corner) -> None:
    corner.floors.write_text(json.dumps({"corpora": {"fundus": {"digest": "x", "floors": {"zF1": 0.9}, "pages": {}}}}))
    assert corner.run("--pin", "--corpus", "zyte") == 0
    assert corner.table()["corpora"]["fundus"] == {"digest": "x", "floors": {"zF1": 0.9}, "pages": {}}


@pytest.mark.parametrize("arguments", [["--lower", "a sentence without a pin"], ["--pin", "--lower", "because"]])
def test_a_lowering_that_says_nothing_is_misuse(corner: Corner, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        corner.run(*arguments)


def test_without_the_pages_it_skips_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--shared", str(tmp_path)]) == 0
    assert "skipped: no" in capsys.readouterr().out


def test_floors_rise_with_what_was_measured_and_stay_within_the_slack() -> None:
    assert pin("x", {"zF1": 0.95, "leak": 0.03}, {"zF1": 0.9, "leak": 0.05}, lower="") == (
        {"zF1": 0.948, "leak": 0.032},
        [],
    )
    assert pin("x", {"zF1": 0.949, "leak": 0.031}, {"zF1": 0.948, "leak": 0.032}, lower="")[0] == {
        "zF1": 0.948,
        "leak": 0.032,
    }
    with pytest.raises(ValueError, match="above its ceiling"):
        pin("x", {"leak": 0.04}, {"leak": 0.032}, lower="")
    with pytest.raises(ValueError, match="was not measured"):
        pin("x", {}, {"leak": 0.032}, lower="")


def test_the_cross_validated_figures_of_a_report_have_floors(
    corner: Corner, capsys: pytest.CaptureFixture[str]
) -> None:
    corner.report.write_text(json.dumps({"cv": {"zyte": {"zF1": 0.97, "seconds": 3, "leak": 0.04}}, "version": 2}))
    assert reported(corner.report) == {"cv.zyte.leak": 0.04, "cv.zyte.zF1": 0.97}
    assert corner.run("--pin") == 0
    assert corner.table()["model"] == {"cv.zyte.leak": 0.042, "cv.zyte.zF1": 0.968}
    corner.report.write_text(json.dumps({"cv": {"zyte": {"zF1": 0.96, "leak": 0.05}}}))
    assert corner.run() == 1
    out = capsys.readouterr().out
    assert "model: cv.zyte.zF1 0.9600 is below its floor of 0.9680" in out
    assert "model: cv.zyte.leak 0.0500 is above its ceiling of 0.0420" in out
    corner.report.unlink()
    assert corner.run() == 1
    assert "was not measured" in capsys.readouterr().out


def test_what_is_pinned_is_whole_and_small() -> None:
    table = json.loads(FLOORS.read_text(encoding="utf-8"))
    assert FLOORS.stat().st_size < 150_000
    for corpus in table["corpora"].values():
        assert corpus["digest"].startswith("sha256:")
        assert corpus["pages"]
        assert (
            check({name: 1.0 if name in ("zF1", "sF1", "acc") else 0.0 for name in corpus["floors"]}, corpus["floors"])
            == []
        )
