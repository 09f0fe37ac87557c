"""Cleaning of saved pages, without archiving."""

import io
import json
from pathlib import Path

from tasks.cleaning import batch_lines
from tasks.settings import config_dirs


def test_a_broken_line_is_named_by_its_number_in_the_file(tmp_path: Path) -> None:
    page = json.dumps({"id": "a", "html": "<p>The tide came in."})
    (tmp_path / "pages.jsonl").write_text(f"\n\n{page}\n\nbroken\n")
    out = io.StringIO()
    assert batch_lines(str(tmp_path / "pages.jsonl"), out, dirs=config_dirs(environ={}), thin_words=1) == 1
    cleaned, broken = map(json.loads, out.getvalue().splitlines())
    assert cleaned["id"] == "a"
    assert (broken["id"], broken["line"]) == (None, 5)
