"""The frozen records that cross stage borders.

Digests are always "sha256:<64 lower-case hex>", times aware UTC, sizes bytes, durations seconds.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Generic, NewType, Protocol, TypeVar

__all__ = [
    "BUNDLE_ID",
    "Article",
    "Body",
    "Bundle",
    "BundleRef",
    "Capture",
    "Clock",
    "Digest",
    "Exchange",
    "Metadata",
    "Missing",
    "PageText",
    "ProbeNote",
    "Problem",
    "Removal",
    "Rendered",
    "Requisites",
    "Resource",
    "RobotsNote",
    "Sourced",
    "Tls",
    "Validators",
    "Verdict",
    "VerdictKind",
    "count_words",
    "digest_of",
]

Digest = NewType("Digest", str)
T = TypeVar("T")


def digest_of(data: bytes) -> Digest:
    """The digest of bytes in memory."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


# ------------------------------------------------------------------ capture
class Body(Protocol):
    """A message body as it came over the wire, kept in memory or on disk."""

    size: int

    def open(self) -> BinaryIO:
        """A reader at the first byte; readers of one body share a position, so one at a time."""

    def close(self) -> None:
        """Give the memory or the file back; twice is fine."""


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS session of an exchange."""

    version: str
    cipher: str
    certificate_sha256: Digest
    chain: tuple[bytes, ...] = ()  # certificates (DER), the server's first
    chain_is: str = "leaf"  # verified (up to the root), sent (as the server sent it), or leaf: the server's own alone


@dataclass(frozen=True, slots=True)
class Clock:
    """This machine's clock during a capture."""

    source: str  # the system call that gives the time
    synchronized: bool | None  # with a reference, as the kernel sees it; None where it does not say


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP request and its response, bytes as they went over the wire."""

    url: str
    started_at: datetime
    request: bytes  # empty where a capture of another tool has none
    response_head: bytes  # final status line up to and including the empty line; empty of a `resource` record
    body: Body  # after the head, transfer coding (chunk framing) and content coding kept
    status: int  # 0 of a `resource` record, which has no answer
    headers: tuple[tuple[str, str], ...]  # names lower-case, latin-1, in order, folds joined
    ip: str  # empty where a capture of another tool has none
    block_digest: Digest  # response_head + body
    payload_digest: Digest  # entity body: chunk framing removed, content coding kept
    payload_size: int
    chunked: bool = False
    truncated: str = ""  # "", or WARC-Truncated's length, time, disconnect, unspecified
    interim: tuple[bytes, ...] = ()  # heads of 1xx answers before the final one
    flags: tuple[str, ...] = ()  # oddities kept for the record: obs-fold, extra-bytes, …
    tls: Tls | None = None
    first_byte_s: float | None = 0.0  # None where a capture of another tool does not tell
    elapsed_s: float | None = 0.0  # by the monotonic clock
    ended_at: datetime | None = None  # by the wall clock, as started_at
    via: str = ""  # URL that led here; empty: the exchange before, if any

    def header(self, name: str) -> str:
        """The last value of a header, or the empty string."""
        return next((value for key, value in reversed(self.headers) if key == name.lower()), "")

    def header_values(self, name: str) -> Iterator[str]:
        """Every value of a header, in order."""
        return (value for key, value in self.headers if key == name.lower())


@dataclass(frozen=True, slots=True)
class Missing:
    """A requisite that a capture lacks, and why: status-404, truncated-length, refused-address, over-requests, …"""

    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class Requisites:
    """What a page needs to be seen, as far as that was looked for."""

    wanted: int  # distinct URLs
    missing: tuple[Missing, ...] = ()

    @property
    def captured(self) -> int:
        """How many came."""
        return self.wanted - len(self.missing)


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that was made of a page in the browser; no server sent it."""

    name: str  # dom, view, thumbnail or pdf: it stands at the URN `urn:<name>:<URL>`
    media_type: str
    body: Body
    digest: Digest
    made_at: datetime

    @property
    def urn(self) -> str:
        """The beginning of its URI, to which the page's URL is joined."""
        return f"urn:{self.name}:"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a browser made of a page."""

    product: str  # such as Chrome/156.0.8078.108
    agent: str  # what the page's scripts saw as navigator.userAgent
    resources: tuple[Resource, ...]
    title: str = ""
    flags: tuple[str, ...] = ()  # what did not go as it should: over-time, popup-closed, screenshot-cut, …
    refused: tuple[Missing, ...] = ()  # requests that an archive does not make: POST, beacons, prefetch, other pages
    overlays: tuple[str, ...] = ()  # consent overlays and what was done about them: onetrust-hidden, …

    def resource(self, name: str) -> Resource | None:
        """The resource of that name, where there is one."""
        return next((one for one in self.resources if one.name == name), None)


@dataclass(frozen=True, slots=True)
class RobotsNote:
    """What robots.txt said of a page before it was visited."""

    policy: str  # obey or report
    allowed: bool
    reason: str  # `disallowed by https://…/robots.txt`, or why it could not be read


@dataclass(frozen=True, slots=True)
class ProbeNote:
    """How much a page is like what its host answers for a page that is certainly missing."""

    url: str  # of the missing page
    likeness: float  # 0 to 1; 1 too where both were led to one address


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server gave to tell one answer for `url` from the next (RFC 9110, 8.8); at least one of them."""

    url: str
    etag: str = ""
    last_modified: str = ""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that ask for the page unless it is still that answer."""
        pairs = (("If-None-Match", self.etag), ("If-Modified-Since", self.last_modified))
        return tuple((name, value) for name, value in pairs if value)


@dataclass(frozen=True, slots=True)
class Capture:
    """One visit to one URL: its exchanges in order, redirects first, the page last."""

    url: str
    exchanges: tuple[Exchange, ...]
    user_agent: str
    mode: str = "page"
    clock: Clock | None = None
    beside: tuple[Exchange, ...] = ()  # exchanges of this visit that are not on the way to the page: robots, requisites
    requisites: Requisites | None = None  # None: nobody looked for any
    robots: RobotsNote | None = None  # None: nobody asked
    conditional: bool = False  # the page was asked for with the validators of a version
    rendered: Rendered | None = None  # None: no browser has seen the page
    not_rendered: str = ""  # why a browser that was to see it did not: browser-crashed, browser-hung, …
    probe: ProbeNote | None = None  # None: nobody asked for a missing page, or that told nothing

    @property
    def not_modified(self) -> bool:
        """Whether the server answered that the version we asked about still stands."""
        return self.conditional and self.page.status == 304

    @property
    def page(self) -> Exchange:
        """The exchange that holds the page itself."""
        return self.exchanges[-1]

    @property
    def final_url(self) -> str:
        """The URL that answered with the page."""
        return self.page.url

    @property
    def started_at(self) -> datetime:
        """When the first request went out."""
        return self.exchanges[0].started_at

    def close(self) -> None:
        """Give all bodies back."""
        for exchange in (*self.exchanges, *self.beside):
            exchange.body.close()
        for resource in self.rendered.resources if self.rendered else ():
            resource.body.close()


@dataclass(frozen=True, slots=True)
class PageText:
    """The page's payload, content coding removed and decoded to text."""

    media_type: str  # lower-case essence; sniffed where the header is missing
    text: str | None  # None where the payload is no HTML, or could not be decoded
    charset: str = ""
    charset_source: str = ""  # bom, http, meta, valid-utf-8, detected, fallback; "-overridden" appended
    flags: tuple[str, ...] = ()  # decoded-over-limit, decode-error, decode-truncated, content-encoding-lie, …


class VerdictKind(StrEnum):
    """What a capture is. OK and PARTIAL are good: exit 0, may become the newest version."""

    OK = "ok"
    PARTIAL = "partial"
    CUT = "cut"
    BLOCKED = "blocked"
    PAYWALL = "paywall"
    LOGIN = "login"
    CONSENT = "consent"
    SOFT404 = "soft404"
    THIN = "thin"
    ERROR = "error"

    @property
    def good(self) -> bool:
        """Whether such a capture may become the newest version."""
        return self in (VerdictKind.OK, VerdictKind.PARTIAL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a capture is worth, with reasons such as `status-404` or `blocked-cloudflare-challenge`."""

    kind: VerdictKind
    reasons: tuple[str, ...] = ()
    score: float | None = None  # 0 to 1: how sure it is that this is the page asked for; None: bundles from before it

    @property
    def good(self) -> bool:
        """Whether this may become the newest version."""
        return self.kind.good

    def as_json(self) -> dict[str, object]:
        """`kind`, `reasons` and, where there is one, `score`: as in manifests and metadata.json."""
        score = {} if self.score is None else {"score": self.score}
        return {"kind": self.kind.value, "reasons": list(self.reasons), **score}


# ------------------------------------------------------------------ clean
@dataclass(frozen=True, slots=True)
class Removal:
    """One node, or one run of text, taken out of the copy."""

    concept: str  # promo, related, share, comments, ads, consent, paywall, navigation, author-box, widget, …
    rule: str  # the rule's id, or "score" where the main-content choice left it out
    why: str  # the rule's reason, or the score with what led to it
    path: str  # where it stood: /html[1]/body[1]/div[3]/p[2]
    text: str  # every text node of it, white space folded
    chars: int  # visible characters (white space not counted) of its text nodes
    digest: Digest  # of its text nodes as parsed, joined, UTF-8
    score: float | None = None  # how much like article its text looks, 0 to 1
    doubt: float = 0.0  # how near the decision was: 0 certain, 1 on the edge of being kept
    leading: tuple[tuple[str, float], ...] = ()  # features that led to the score: name, effect in log-odds


@dataclass(frozen=True, slots=True)
class Article:
    """The cleaned copy and the ledger of what was taken out."""

    html: str
    markdown: str
    text: str
    removals: tuple[Removal, ...]
    page_chars: int  # visible characters of the page = kept_chars + sum of the removals' chars
    kept_chars: int
    parser: str = "lxml"  # or "flat" where libxml2 would have cut the page at its depth limit
    source: str = "page"  # "data": the page shows no article, the one in its JSON was taken (kept_chars is then 0); dom
    next_page: str = ""  # address where the article goes on; empty where this page has all of it
    captions: tuple[str, ...] = ()  # of pictures, in order; in html and markdown, not in text; kept_chars counts them
    flags: tuple[str, ...] = ()  # what of the page its tree does not have: attributes-cut, flattened
    words: int = field(init=False, repr=False, compare=False)  # of the text, counted once: 0.12 ms, asked four times

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", count_words(self.text))


def count_words(text: str) -> int:
    """Words as readers count them: runs between white space; CJK characters count half a word each."""
    starts = range(0, len(text), _PIECE)  # by pieces: a list of all words takes ten times the memory of the text
    pieces = [text[start : start + _PIECE] for start in starts]
    cut = sum(not (one[-1].isspace() or other[0].isspace()) for one, other in pairwise(pieces))
    words = sum(len(piece.split()) for piece in pieces) - cut
    return words + sum(len(_CJK.findall(piece)) for piece in pieces) // 2


_PIECE = 1 << 16  # characters
_CJK = re.compile("[\u3040-\ud7af]")  # kana, ideographs, hangul


# ------------------------------------------------------------------ describe
@dataclass(frozen=True, slots=True)
class Sourced(Generic[T]):
    """A value and where on the page it came from, such as `json-ld:headline` or `meta:og:title`.

    `rivals` are the other values that the page gives for the same thing, the next best first, at most five, each once
    with its source and no rivals of its own.
    """

    value: T
    source: str
    rivals: "tuple[Sourced[T], ...]" = ()


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the page says of itself, each field with its source; None where nothing was found.

    `published` and `modified` are ISO 8601 with the offset the page gave, or a bare date; `url` and `image` absolute.
    """

    title: Sourced[str] | None = None
    authors: Sourced[tuple[str, ...]] | None = None
    published: Sourced[str] | None = None
    modified: Sourced[str] | None = None
    site: Sourced[str] | None = None
    canonical_url: Sourced[str] | None = None
    language: Sourced[str] | None = None
    description: Sourced[str] | None = None
    section: Sourced[str] | None = None
    tags: Sourced[tuple[str, ...]] | None = None
    image: Sourced[str] | None = None


# ------------------------------------------------------------------ verify
@dataclass(frozen=True, slots=True)
class Problem:
    """One finding of verify: a stable code, the place, what was expected and what was found."""

    code: str
    place: str  # member, member@offset, or member:line
    expected: str = ""
    found: str = ""
    severity: str = "error"  # or "unverifiable" (neither proven sound nor broken), or "note" (harmless)

    def __str__(self) -> str:
        """One line for people."""
        detail = f": expected {self.expected}, found {self.found}" if self.expected or self.found else ""
        return f"{self.severity} {self.code} at {self.place}{detail}"


# ------------------------------------------------------------------ pack, store
# Year, month, day and the sha256's first digits of an id; of ASCII digits only, because ids become keys and paths.
BUNDLE_ID = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})[0-9]{6}-([0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A packed WACZ on disk with the manifest that will commit it."""

    id: str  # <yyyymmddhhmmss>-<first 16 hex of sha256>
    path: Path
    sha256: Digest
    size: int
    manifest: bytes  # canonical JSON, see tasks/bundle/FORMAT.md
    signature: str = ""  # its text in datapackage-digest.json: what a time stamp is over; empty: unsigned


@dataclass(frozen=True, slots=True)
class BundleRef:
    """A bundle as the store acknowledged it."""

    id: str
    key: str  # of the WACZ, below the store's prefix
    sha256: Digest
    size: int
    created: bool  # False: the very same bundle was there already
