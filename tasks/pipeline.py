"""The order of the stages, once: from a URL to a stored bundle and back. Read this file first.

URL → capture → clean (→ render → clean) → compare → gather → pack → verify → store, or, where nothing is new, compare →
observe; and back: find → fetch → verify → extract. Once cleaned, a page that may be an error page is held against its
host's (probe). The stages know nothing of each other; what needs two of them is composed here. How a stage is run is a
parameter (`Run`): plainly, with retries, or as a Prefect task (tasks/steps.py).
"""

import contextlib
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tasks import __version__
from tasks.bundle.manifest import removed_chars
from tasks.bundle.pack import pack_bundle
from tasks.bundle.provenance import settings_digest
from tasks.bundle.sign import Signer
from tasks.bundle.verify import is_sound, verify_file
from tasks.capture.browser import Browser, find_chromium
from tasks.capture.fetch import Recorder
from tasks.capture.hosts import Hosts
from tasks.capture.partial import as_far_as_captured
from tasks.capture.policy import parse_url
from tasks.capture.probe import ErrorPages
from tasks.capture.requisites import gather
from tasks.capture.robots import Robots
from tasks.capture.signs import Signs, load_signs, our_signs
from tasks.catalog import Catalog, Heard, open_catalog
from tasks.clean import RuleSet, load_rules
from tasks.diff import diff_texts
from tasks.errors import CaptureTransient, FixityError, MissingPart, TearsheetError, TransientError
from tasks.keys import signer_of
from tasks.observing import observe
from tasks.outbox import Kept, Outbox, deliver_first
from tasks.outcome import Outcome
from tasks.probing import asked_beside, held_against, is_doubtful
from tasks.reading import Reading, read_capture
from tasks.records import (
    Bundle,
    BundleRef,
    Capture,
    Exchange,
    Problem,
    Validators,
    VerdictKind,
)
from tasks.settings import Settings
from tasks.store import Store, open_store
from tasks.timestamps import stamp_bundle
from tasks.versioning import (
    Compared,
    History,
    Version,
    compare,
    completed,
    may_complete,
    seen_as,
    still_standing,
)

__all__ = [
    "MASKED",
    "Outcome",
    "Plainly",
    "Reading",
    "Run",
    "Tools",
    "archive_page",
    "capture_stage",
    "open_tools",
    "provenance_of",
]

R = TypeVar("R")
_SILENT = Heard()


class Run(Protocol):
    """How a stage is run: call it, with whatever retries, log and tracking belong around it."""

    def __call__(self, stage: Callable[..., R], *args: Any) -> R:
        """The stage's result; its error when it gave up."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the stages work with; open_tools makes it and clears it up."""

    settings: Settings
    recorder: Recorder
    rules: RuleSet
    store: Store
    workspace: Path  # bundles stand here until the store has them
    history: History  # what captures are held against
    outbox: Outbox  # where bundles wait while the store cannot take them
    signer: Signer | None = None  # of new bundles; open_tools has it unless the settings say not to sign
    robots: Robots | None = None  # asked before each visit; None: nobody asks
    signs: Signs = field(default_factory=our_signs)  # what gives walls away
    error_pages: ErrorPages | None = None  # what doubtful pages are held against; None: nobody asks
    browser: Browser | None = None  # started when the first page wants it; None: the settings ask for none


@contextlib.contextmanager
def open_tools(
    settings: Settings, config: Iterable[Path], *, resolver: Any = None, heard: Heard = _SILENT
) -> Iterator[Tools]:
    """The tools for one command or flow run; connections and temporary files are gone afterwards.

    `config` are the folders of rules and signs, the weakest first. What waits for the store is delivered first. `heard`
    is told of that, and of a catalog that has to be made first, or cannot be.
    """
    dirs = tuple(config)
    rules, signs, signer, outbox = load_rules(dirs), load_signs(dirs), signer_of(settings), Outbox(settings)

    def opening() -> Catalog:
        with outbox.asking():  # pages that wait for this one do not each ask a store that is down
            return open_catalog(store, settings, heard=heard)

    with (
        open_store(settings.store, settings) as store,
        History(store, opening) as history,
        Recorder(settings, resolver=resolver, hosts=Hosts(settings, say=heard.say)) as recorder,
        tempfile.TemporaryDirectory(prefix="tearsheet-") as workspace,
    ):
        deliver_first(store, outbox, history, settings, say=heard.say)
        robots, pages = Robots(recorder, settings.robots_by_hand), ErrorPages(recorder)
        with _browser(settings) as browser:
            yield Tools(
                settings,
                recorder,
                rules,
                store,
                Path(workspace),
                history,
                outbox,
                signer,
                robots,
                signs,
                pages,
                browser,
            )


@contextlib.contextmanager
def _browser(settings: Settings) -> Iterator[Browser | None]:
    """The browser, where the settings may want one. Raises MissingPart where they do and there is none."""
    if settings.mode not in ("browser", "auto"):
        yield None
        return
    if settings.mode == "browser":
        find_chromium(settings.chromium)
    with Browser(settings) as browser:
        yield browser


# ------------------------------------------------------------------ stages
def capture_stage(url: str, tools: Tools, known: Validators | None = None) -> Capture:
    """One visit to `url`, redirects followed, after robots.txt was asked; with `known` only unless it still stands."""
    asked = tools.robots.ask(url) if tools.robots else None
    capture = tools.recorder.capture(url, known)
    return replace(_beside(capture, asked.exchanges), robots=asked.note) if asked else capture


def _beside(capture: Capture, others: Iterable[Exchange]) -> Capture:
    """The capture with what others answered. An index has one answer for a URL and second: the page's own."""

    def place(exchange: Exchange) -> tuple[str, str]:
        return exchange.url, f"{exchange.started_at:%Y%m%d%H%M%S}"

    taken = set(map(place, (*capture.exchanges, *capture.beside)))
    beside = tuple(exchange for exchange in others if place(exchange) not in taken)
    return replace(capture, beside=(*capture.beside, *beside))


def clean_stage(capture: Capture, tools: Tools) -> Reading:
    """The page decoded, cleaned, described and judged."""
    return read_capture(capture, tools.settings, tools.rules, tools.signs)


def probe_stage(capture: Capture, tools: Tools) -> Capture | None:
    """What the host answers for a page beside this one that is certainly missing; None where that tells nothing."""
    return tools.error_pages.ask(asked_beside(capture), tools.robots) if tools.error_pages else None


def compare_stage(capture: Capture, reading: Reading, tools: Tools, force: bool) -> Compared:
    """The reading held against the latest good version of its article."""
    with tools.outbox.asking():
        return compare(capture, reading, tools.history, tools.settings, force=force)


def observe_stage(capture: Capture, compared: Compared, version: Version, tools: Tools) -> str:
    """The key of the event that tells of a visit which found this version unchanged."""
    made_by = provenance_of(tools.settings, tools.rules, tools.signs)
    with tools.outbox.asking():
        return observe(capture, compared, version, store=tools.store, workspace=tools.workspace, provenance=made_by)


def render_stage(capture: Capture, reading: Reading, tools: Tools) -> Capture:
    """The capture as a browser sees its page; where none can show it, the capture with the reason.

    A page without an article may lead on to another one; a page with one is never left.
    """
    empty = reading.verdict.kind is VerdictKind.THIN
    assert tools.browser  # whoever asks has looked
    for last in (False, True):
        try:
            return tools.browser.visit(capture, tools.recorder, lead_on=empty)
        except CaptureTransient as error:
            if last or error.code not in _ONCE_MORE:
                return replace(capture, not_rendered=error.code)
        except MissingPart:
            break
    return replace(capture, not_rendered="browser-missing")


_ONCE_MORE = ("browser-crashed", "browser-start")  # may have been the fault of the page before


def _wants_browser(reading: Reading, tools: Tools) -> bool:
    """Whether the page is to be drawn: always, or where it has scripts and no article to speak of."""
    text, kind = reading.page.text, reading.verdict.kind
    if tools.browser is None or text is None or kind not in (*_SEEN, VerdictKind.CONSENT):
        return False
    return tools.settings.mode == "browser" or (kind is VerdictKind.THIN and bool(_SCRIPT.search(text)))


_SCRIPT = re.compile(r"<script\b(?![^>]*\bjson)", re.I)  # data are none


def gather_stage(capture: Capture, reading: Reading, tools: Tools) -> Capture:
    """The capture with what its page needs to be seen, where the settings ask for it and there is something to see."""
    text = reading.page.text
    if tools.settings.mode == "page" or capture.rendered or text is None or reading.verdict.kind not in _SEEN:
        return capture
    if capture.requisites:  # they are there
        return capture
    return gather(capture, text, tools.recorder)


# Pages whose looks are worth keeping; a server that blocks us is not asked for more.
_SEEN = (VerdictKind.OK, VerdictKind.PARTIAL, VerdictKind.CUT, VerdictKind.THIN, VerdictKind.PAYWALL)


def pack_stage(capture: Capture, compared: Compared, tools: Tools) -> Bundle:
    """The bundle on disk, in the workspace."""
    reading = compared.reading
    return pack_bundle(
        tools.workspace,
        capture=capture,
        page=reading.page,
        verdict=reading.verdict,
        article=reading.article,
        metadata=reading.metadata,
        provenance={**provenance_of(tools.settings, tools.rules, tools.signs), **compared.provenance},
        signer=tools.signer,
    )


def provenance_of(settings: Settings, rules: RuleSet, signs: Signs | None = None) -> Mapping[str, Any]:
    """What decided the bundle besides the capture itself; nothing here may change from run to run."""
    kept = {key: getattr(settings, key) for key in _DECIDING}
    return {
        "software": f"tearsheet/{__version__}",
        "rules": rules.digest,
        "model": rules.scorer.digest,
        "signs": (signs or our_signs()).digest,
        "settings": kept,
        "settings_digest": settings_digest(kept),
    }


_DECIDING = (  # every setting that can make a bundle of the same answers another one
    *("max_body_bytes", "max_decoded_bytes", "max_header_bytes", "max_redirects"),
    *("browser_page_s", "browser_quiet_s", "browser_requests", "browser_bytes", "browser_pdf", "browser_overlays"),
    *("mode", "requisites_max", "requisites_levels", "requisite_bytes", "requisites_bytes", "requisites_s"),
    *("soft404_probe", "thin_words", "thinner_share", "thinner_from_words"),
    *("idle_timeout_s", "total_timeout_s", "contact", "user_agent", "accept_language"),
)


def verify_stage(bundle: Bundle) -> tuple[Problem, ...]:
    """Every problem of the packed bundle; it is not stored if there is one."""
    return verify_file(bundle.path, expected=bundle.sha256)


def store_stage(bundle: Bundle, tools: Tools) -> BundleRef:
    """The bundle committed to the store and read back; the local copy goes."""
    with tools.outbox.asking():
        ref = tools.store.put_bundle(bundle)
    tools.history.add(bundle.id, bundle.manifest)
    bundle.path.unlink(missing_ok=True)
    return ref


def timestamp_stage(bundle: Bundle, tools: Tools) -> tuple[Problem, ...]:
    """A time stamp over the stored bundle's signature, where the settings name a server; a note where it fails."""
    return stamp_bundle(tools.store, bundle, tools.settings)


# ------------------------------------------------------------------ one page
class Plainly:
    """Runs a stage by calling it; capture and store are tried again on errors that may pass."""

    def __init__(self, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.attempts, self.wait_s, self.sleep = settings.attempts, settings.retry_wait_s, sleep

    def __call__(self, stage: Callable[..., R], *args: Any) -> R:
        """The stage's result; its last error after `attempts` tries."""
        for attempt in range(1, self.attempts):
            try:
                return stage(*args)
            except TransientError as error:
                if stage.__name__ not in RETRIED or not error.passes_soon:
                    raise
                self.sleep(self.wait_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311 jitter, no secret
        return stage(*args)


# Stages that talk to someone else.
RETRIED = frozenset({"capture_stage", "compare_stage", "observe_stage", "store_stage"})


def archive_page(url: str, tools: Tools, *, run: Run | None = None, force: bool = False) -> Outcome:
    """One URL captured, cleaned, packed, verified and stored; or noted as unchanged, which `force` never does.

    Never raises a TearsheetError: it is in the outcome, so that one URL cannot stop others.
    """
    started = time.monotonic()
    run = run or Plainly(tools.settings)
    try:
        known = None if force else _known(url, tools)
        capture = run(capture_stage, url, tools, known.validators if known else None)
        with contextlib.ExitStack() as visit:
            visit.enter_context(contextlib.closing(capture))
            if known and capture.not_modified:
                return _not_modified(url, capture, known, tools, run, started)
            capture, reading = _seen_whole(capture, tools, run, visit)
            with tools.history.turn(seen_as(capture, reading).pages):
                held, compared, observed, unsure = _held(capture, reading, tools, run, force)
                with contextlib.closing(held):
                    if observed and compared.confirms:
                        seen = compared.confirms.ref
                        return _outcome(url, capture, compared, (), started, ref=seen, observation=observed)
                    with contextlib.closing(run(gather_stage, held, compared.reading, tools)) as whole:
                        return _kept(url, whole, compared, unsure, tools, run, started)
    except TearsheetError as error:
        shown = _SECRET.sub(rf"\1{MASKED}", url)  # a refused URL may hold a password, and outcomes go into logs
        return Outcome(shown, error=error, elapsed_s=time.monotonic() - started)


MASKED = "…@"  # stands for the user name and password of a URL
_SECRET = re.compile(r"\A([a-z][a-z0-9+.-]*://)[^/?#]*@", re.I)


def _seen_whole(capture: Capture, tools: Tools, run: Run, visit: contextlib.ExitStack) -> tuple[Capture, Reading]:
    """What the page says: drawn where it wants that, held against the error page of its host where it may be one."""
    reading = run(clean_stage, capture, tools)
    if _wants_browser(reading, tools):
        capture = visit.enter_context(contextlib.closing(run(render_stage, capture, reading, tools)))
        reading = run(clean_stage, capture, tools)
    if not is_doubtful(capture, reading, tools.settings.soft404_probe):
        return capture, reading
    answer = run(probe_stage, capture, tools)
    note = held_against(capture, reading, answer, run(clean_stage, answer, tools)) if answer else None
    if answer is None or note is None:
        return capture, reading
    capture = replace(_beside(capture, answer.exchanges), probe=note)
    return capture, run(clean_stage, capture, tools)


def _kept(
    url: str,
    capture: Capture,
    compared: Compared,
    unsure: TearsheetError | None,
    tools: Tools,
    run: Run,
    started: float,
) -> Outcome:
    """What becomes of a capture that is to be a bundle: it is packed and verified, then stored, or waits."""
    reading = compared.reading
    verdict = as_far_as_captured(reading.verdict, capture)
    compared = replace(compared, reading=replace(reading, verdict=verdict))
    bundle = run(pack_stage, capture, compared, tools)
    problems = run(verify_stage, bundle)
    if not is_sound(problems):
        return _outcome(url, capture, compared, problems, started, error=_unsound(bundle))
    ref, kept = _stored(bundle, compared, tools, run, unsure)
    if kept:
        return _outcome(url, capture, compared, problems, started, error=kept.error, waiting=kept.path)
    if tools.settings.timestamp_url:
        problems += run(timestamp_stage, bundle, tools)
    return _outcome(url, capture, compared, problems, started, ref=ref)


def _known(url: str, tools: Tools) -> Version | None:
    """The latest version that a visit to `url` is likely to find again; None where none is known, or neither the URL
    nor the store can tell: then the whole page is asked for."""
    if not tools.settings.conditional or tools.settings.mode == "browser":  # the same HTML may draw another page
        return None
    try:
        parse_url(url)
        with tools.outbox.asking():
            latest = tools.history.latest_of(url)
            return None if latest and (latest.drawn or may_complete(latest, tools.settings)) else latest
    except TearsheetError:  # of no consequence: what it says is heard when the capture is compared
        return None


def _not_modified(url: str, capture: Capture, version: Version, tools: Tools, run: Run, started: float) -> Outcome:
    """The outcome of a visit whose server answered that the version still stands."""
    compared, found = still_standing(capture, version), version.manifest
    key = run(observe_stage, capture, compared, version, tools)
    outcome = _outcome(url, capture, compared, (), started, ref=version.ref, observation=key)
    return replace(outcome, words=found.words, text=found.text, removed=found.removed)


def _held(
    capture: Capture, reading: Reading, tools: Tools, run: Run, force: bool
) -> tuple[Capture, Compared, str, TearsheetError | None]:
    """The reading held against the latest version, with the key of the event where that one is confirmed; and the
    capture, with requisites where they may complete it.

    Where the store cannot tell, the error: the capture is kept nevertheless, and compared when it is delivered.
    """
    whole = capture
    try:
        compared = run(compare_stage, capture, reading, tools, force)
        if may_complete(compared.confirms, tools.settings):
            whole = run(gather_stage, capture, reading, tools)
            compared = completed(compared, whole)
        key = run(observe_stage, capture, compared, compared.confirms, tools) if compared.confirms else ""
        return whole, compared, key, None
    except TearsheetError as error:
        return whole, Compared(reading, forced=force), "", error


def _stored(
    bundle: Bundle, compared: Compared, tools: Tools, run: Run, unsure: TearsheetError | None
) -> tuple[BundleRef | None, Kept | None]:
    """Where the bundle is in the store; or, whatever keeps it from there, where it waits."""
    if unsure:
        return None, tools.outbox.keep(bundle, unsure, unsure=not compared.forced)
    try:
        return run(store_stage, bundle, tools), None
    except TearsheetError as error:
        return None, tools.outbox.keep(bundle, error)
    except Exception:  # a mistake of ours or of a library: the capture is kept all the same
        tools.outbox.park(bundle)
        raise


def _unsound(bundle: Bundle) -> FixityError:
    return FixityError(
        "the bundle does not verify and was not stored",
        where=bundle.path.name,
        remedy="Archive the page again; if it happens again, report it with the problems listed",
    )


def _change(compared: Compared) -> str:
    """How a new version differs from the one before: title and words."""
    latest, reading = compared.latest, compared.reading
    if latest is None or reading.article is None:
        return ""
    before, now = latest.manifest.metadata.title, reading.metadata.title
    words = diff_texts(latest.manifest.text, reading.article.text)
    renamed = before and now and before.value != now.value
    return f"+{words.added} -{words.removed} words" + (f"; title was {before.value!r}" if before and renamed else "")


def _outcome(
    url: str,
    capture: Capture,
    compared: Compared,
    problems: tuple[Problem, ...],
    started: float,
    *,
    ref: BundleRef | None = None,
    observation: str = "",
    waiting: Path | None = None,
    error: TearsheetError | None = None,
) -> Outcome:
    reading = compared.reading
    article, title = reading.article, reading.metadata.title
    return Outcome(
        url=url,
        final_url=capture.final_url,
        verdict=reading.verdict,
        ref=ref,
        version=compared.number if ref else None,
        observation=observation,
        waiting=str(waiting or ""),
        robots=capture.robots.reason if capture.robots and not capture.robots.allowed else "",
        title=title.value if title else "",
        words=article.words if article else 0,
        text=article.text if article else "",
        mode=capture.mode,
        source=article.source if article else "",
        requisites=capture.requisites,
        rendered=capture.rendered,
        removed=removed_chars(article),
        rules=tuple(sorted({removal.rule for removal in article.removals})) if article else (),
        change=_change(compared) if ref and compared.previous else "",
        problems=problems,
        elapsed_s=time.monotonic() - started,
        error=error,
    )
