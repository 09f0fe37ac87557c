"""What tests of sources share: a watch.toml, and answers without a network."""

from collections.abc import Mapping
from pathlib import Path

from tasks.errors import CaptureFailed
from tasks.sources import Fetched


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "watch.toml").write_text(text, encoding="utf-8")
    return folder


def nothing(url: str) -> Fetched:
    raise AssertionError(f"fetched {url}")


class Web:
    """Answers by URL; anything else is a 404. `asked` are the URLs in turn."""

    def __init__(self, pages: Mapping[str, bytes | str]) -> None:
        self.pages, self.asked = pages, list[str]()

    def __call__(self, url: str) -> Fetched:
        self.asked.append(url)
        if url not in self.pages:
            raise CaptureFailed("the answer was 404", where=url)
        page = self.pages[url]
        return Fetched(url, page.encode() if isinstance(page, str) else page)
