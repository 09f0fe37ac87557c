"""Writes the expected files of every page case anew: python -m tests.clean.record, then read the diff."""

from pathlib import Path

from tasks.clean import clean_page
from tests.clean.helpers import PAGES, our_rules

EXPECTED = ("article.html", "article.md", "article.txt", "removed.txt")


def outputs(case: Path) -> dict[str, str]:
    """What cleaning makes of a case, by file name."""
    html = (case / "page.html").read_text(encoding="utf-8")
    url = (case / "url.txt").read_text(encoding="utf-8").strip()
    article = clean_page(html, url=url, rules=our_rules())
    ledger = [
        f"{one.concept} | {one.rule} | {one.path} | {one.chars} | {one.score} | {one.text}" for one in article.removals
    ]
    texts = (article.html, article.markdown, article.text, "\n".join(ledger))
    return {name: text + "\n" for name, text in zip(EXPECTED, texts, strict=True)}


def main() -> None:
    """Record every case."""
    for page in sorted(PAGES.glob("*/page.html")):
        for name, text in outputs(page.parent).items():
            (page.parent / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
