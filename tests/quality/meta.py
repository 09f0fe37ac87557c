"""Scores `describe` on the shared corpora: python tests/quality/meta.py [--shared DIR] [--out DIR].

Writes OUT/<corpus>/tearsheet.jsonl, then runs the scorer of the shared bench (score_meta.py) on it, and prints the
CPU time of `describe` a page, parsing apart. Title lenient (tL), author F1 (aF1) and date (d) are what is compared.
The weights of config/metadata.toml were learned from these very pages, so that these figures flatter:
tests/quality/train_meta.py prints the cross-validated ones.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lxml import etree

from tasks.metadata import describe

CORPORA = ("fundus", "trafilatura", "wcxb_article")


def parse(data: bytes) -> etree._Element:
    """The root of a page, as the pipeline parses it."""
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    return etree.fromstring(data, parser)


def predict(folder: Path, out: Path) -> list[float]:
    """Write the predictions for one corpus; the CPU seconds of each page."""
    out.parent.mkdir(parents=True, exist_ok=True)
    times = []
    with (folder / "truth.jsonl").open(encoding="utf-8") as truth, out.open("w", encoding="utf-8") as lines:
        for page in map(json.loads, truth):
            root = parse(gzip.decompress((folder / f"{page['id']}.html.gz").read_bytes()))
            url = page["url"] if "//" in page["url"] else "http://page.example/"
            begun = time.process_time()
            metadata = describe(root, url=url, headers={})
            times.append(time.process_time() - begun)
            lines.write(json.dumps({"id": page["id"]} | _flat(asdict(metadata)), ensure_ascii=False) + "\n")
    return times


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    """Values beside their sources: `title` and `title_source`."""
    values = {name: field["value"] if field else None for name, field in fields.items()}
    return values | {f"{name}_source": field["source"] for name, field in fields.items() if field}


def main() -> None:
    """Predict, score, print."""
    default = os.environ.get("TEARSHEET_TEST_SHARED", str(Path(__file__).parents[3] / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(default))
    parser.add_argument("--out", type=Path, help="keep the predictions here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = options.out or Path(scratch)
        times = [
            seconds
            for name in CORPORA
            for seconds in predict(options.shared / "corpus" / name, out / name / "tearsheet.jsonl")
        ]
        times.sort()
        mean, median, p95 = sum(times) / len(times), times[len(times) // 2], times[int(0.95 * len(times))]
        figures = f"mean {1000 * mean:.2f}, median {1000 * median:.2f}, p95 {1000 * p95:.2f}"
        print(f"describe, CPU ms a page: {figures}; {len(times)} pages", flush=True)
        scorer = options.shared / "bench" / "extraction" / "score_meta.py"
        subprocess.run([sys.executable, str(scorer), "--dir", str(out), "--split", "dev"], check=True)


if __name__ == "__main__":
    main()
