"""What became of each text of a page, wherever the page is: a file, a stored bundle or an address.

`explain_target` decides which it is. The rules are always those in force now; the notes say where that matters.
`lines.py` shows an explanation on a terminal, `page.py` as one HTML page.
"""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.bundle.page import read_page_block
from tasks.bundle.verify import verify_file
from tasks.capture.body import SpooledBody
from tasks.capture.chunks import is_framed
from tasks.capture.decode import read_page
from tasks.capture.fetch import Recorder
from tasks.capture.head import HEAD_END, parse_stored_head, resource_head
from tasks.capture.signs import Signs, load_signs
from tasks.catalog import Broken, Heard, is_id, locate, stop_at
from tasks.clean import RuleSet, load_rules
from tasks.clean.explain import Explanation, explain_page
from tasks.cleaning import read_html
from tasks.errors import FormatError, NotFound
from tasks.reading import read_capture
from tasks.records import Exchange, PageText, Removal, digest_of
from tasks.retrieve import check_sound, fetched, read_shown
from tasks.settings import Settings
from tasks.store import open_store

__all__ = [
    "Explained",
    "explain_bundle",
    "explain_file",
    "explain_target",
    "explain_url",
    "read_bundle_page",
    "rules_for",
]

_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation, and what a reader should know of where it comes from."""

    source: str  # the file, the bundle's id, or the URL that answered
    explanation: Explanation
    notes: tuple[str, ...] = ()
    good: bool = True  # False: the page was captured just now, with a bad verdict


def explain_target(
    target: str,
    settings: Settings,
    dirs: Sequence[Path],
    *,
    url: str = "",
    stored: bool = False,
    broken: Broken = stop_at,
) -> Explained:
    """The explanation of what `target` names: a bundle's id, a file, or a URL, asked in this order.

    `stored`: of a URL, its newest good bundle in the store, not the page as it is now. `url` is where a file is from.
    """
    rules = load_rules(tuple(dirs))
    if stored or is_id(target):
        with open_store(settings.store, settings) as store:
            id_ = locate(store, settings, target, heard=Heard(broken=broken))
            with fetched(store, id_) as path:
                return explain_bundle(path, settings, rules, manifest=store.read_manifest(id_))
    if target == "-" or _is_there(target):
        return explain_file(target, settings, rules, url=url)
    if "://" not in target:
        remedy = "Name an HTML file or a bundle, the id of a stored bundle, or a URL with https://"
        raise NotFound("no such file", where=target, remedy=remedy)
    return explain_url(target, settings, rules, signs=load_signs(tuple(dirs)))


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return False


def explain_file(file: str, settings: Settings, rules: RuleSet, *, url: str) -> Explained:
    """The page of an HTML file, of stdin for "-", or of a WACZ of ours."""
    if file != "-" and _is_bundle(Path(file)):
        return explain_bundle(Path(file), settings, rules)
    return Explained(file, explain_page(read_html(file), url=url, rules=rules))


def _is_bundle(path: Path) -> bool:
    if path.suffix.lower() == ".wacz" or not path.is_file():
        return path.is_file()
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


# ------------------------------------------------------------------ a URL
def explain_url(url: str, settings: Settings, rules: RuleSet, *, signs: Signs | None = None) -> Explained:
    """The page as it is now: captured and judged under the same policy as for `archive`, and stored nowhere."""
    with Recorder(settings) as recorder, contextlib.closing(recorder.capture(url)) as capture:
        page = read_page(capture.page, settings.max_decoded_bytes)
        explanation = _explained(page, capture.final_url, rules)
        verdict = read_capture(capture, settings, rules, signs).verdict
    notes = ["captured just now, not stored"]
    if not verdict.good:
        notes.append(f"verdict {verdict.kind.value} ({', '.join(verdict.reasons)})")
    return Explained(capture.final_url, explanation, tuple(notes), verdict.good)


def _explained(page: PageText, url: str, rules: RuleSet) -> Explanation:
    if page.text is None:
        flags = f" ({', '.join(page.flags)})" if page.flags else ""
        raise FormatError(
            f"no page to explain: {page.media_type}{flags}", where=url, remedy="Only HTML that can be read is cleaned"
        )
    return explain_page(page.text, url=url, rules=rules)


# ------------------------------------------------------------------ a bundle
def explain_bundle(path: Path, settings: Settings, rules: RuleSet, *, manifest: bytes | None = None) -> Explained:
    """The page of a bundle, which is verified first; its own ledger is compared with what the rules say now."""
    url, page = read_bundle_page(path, settings, manifest=manifest)
    explanation = _explained(page, url, rules_for(rules, path))
    notes = ["cleaned with the rules in force now"]
    if difference := ledger_difference(read_shown(path).removals, explanation.removals):
        notes.append(f"the ledger in the bundle differs: {difference}")
    return Explained(path.name.removesuffix(".wacz"), explanation, tuple(notes))


def read_bundle_page(path: Path, settings: Settings, *, manifest: bytes | None = None) -> tuple[str, PageText]:
    """URL and text of the page in a bundle, which is verified first."""
    check_sound(verify_file(path, manifest=manifest), where=path.name)
    url, block, media_type = read_page_block(path)
    with contextlib.closing(SpooledBody()) as body:
        exchange = _exchange(url, block, body, media_type=media_type, where=path.name)
        return url, read_page(exchange, settings.max_decoded_bytes)


def rules_for(rules: RuleSet, path: Path) -> RuleSet:
    """The rules for the day that a bundle was captured on, which its name tells; all of them for any other name."""
    id_ = path.name.removesuffix(".wacz")
    return rules.on(datetime.strptime(id_[:8], "%Y%m%d").date()) if is_id(id_) else rules


def _exchange(url: str, block: bytes, body: SpooledBody, *, media_type: str, where: str) -> Exchange:
    """The exchange of a stored response or, with a media type, resource, as far as reading its page needs it."""
    found = HEAD_END.search(block)
    end = found.end() if found and not media_type else 0
    head = resource_head(media_type) if media_type else parse_stored_head(block[:end])
    if head is None:
        raise FormatError("the page's response is no HTTP", where=where, remedy="`tearsheet verify` lists problems")
    body.write(block[end:])
    digest = digest_of(block)
    return Exchange(
        url=url,
        started_at=datetime.min.replace(tzinfo=UTC),
        request=b"",
        response_head=head.raw,
        body=body,
        status=head.status,
        headers=head.headers,
        ip="",
        block_digest=digest,
        payload_digest=digest,
        payload_size=body.size,
        chunked=head.chunked and is_framed(block[end : end + (1 << 14)]),
        flags=head.flags,
    )


def ledger_difference(then: Iterable[Mapping[str, Any]], now: Iterable[Removal]) -> str:
    """How two ledgers of a page differ in what went and why, in words; empty where they do not."""
    before = Counter((row["path"], row["digest"], row["concept"], row["rule"]) for row in then)
    after = Counter((row.path, row.digest, row.concept, row.rule) for row in now)
    gone, new = (before - after).total(), (after - before).total()
    return f"{gone:,} of its {before.total():,} removals are not made now, {new:,} are new" if gone or new else ""
