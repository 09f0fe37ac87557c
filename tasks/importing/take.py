"""Taking one file after another into the store; what is wrong with one never stops the others."""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from tasks.bundle.manifest import read_manifest
from tasks.bundle.pack import pack_bundle
from tasks.bundle.sign import Signer
from tasks.bundle.verify import is_sound, verify_file
from tasks.bundle.verify_manifest import manifest_of
from tasks.capture.signs import Signs, load_signs
from tasks.clean import RuleSet, load_rules
from tasks.errors import (
    DiskFull,
    FixityError,
    FormatError,
    NotFound,
    PermanentError,
    StoreRefused,
    TearsheetError,
    TransientError,
)
from tasks.importing.bag import SourceFile, is_bag, open_bag
from tasks.importing.choose import Page, choose
from tasks.importing.foreign import Foreign, scan, table_of
from tasks.importing.rebuild import Originals, rebuild_capture
from tasks.importing.report import FileReport, Heard, PageReport
from tasks.keys import signer_of
from tasks.lineage import lineage_problems
from tasks.pipeline import provenance_of
from tasks.reading import read_capture
from tasks.records import Bundle, Capture, Problem
from tasks.settings import Settings
from tasks.store import Store, open_store
from tasks.store.objects import Content

__all__ = ["Bench", "import_files", "open_bench"]

_STOPS = (TransientError, StoreRefused, DiskFull)  # the rest of the file would fail as well


@dataclass(slots=True)
class Bench:
    """What taking in works with; open_bench makes it and clears it up."""

    settings: Settings
    rules: RuleSet
    store: Store
    workspace: Path
    dry_run: bool = False
    today: date | None = None  # the day of the commit; None: by the clock
    signer: Signer | None = None  # of the bundles that are made here
    signs: Signs | None = None  # of walls; None: those of the program


@contextlib.contextmanager
def open_bench(
    settings: Settings, rule_dirs: Iterable[Path], *, dry_run: bool = False, today: date | None = None
) -> Iterator[Bench]:
    """The bench for one command; temporary files are gone afterwards."""
    dirs = tuple(rule_dirs)
    rules, signs, signer = load_rules(dirs), load_signs(dirs), None if dry_run else signer_of(settings)
    with (
        open_store(settings.store, settings) as store,
        tempfile.TemporaryDirectory(prefix="tearsheet-") as workspace,
    ):
        yield Bench(settings, rules, store, Path(workspace), dry_run, today, signer, signs)


def import_files(paths: Iterable[Path], bench: Bench, *, heard: Heard) -> Iterator[FileReport]:
    """Each file or bag in turn; `heard` is told of each page as it is done. Never raises for what is in a file."""
    for path in paths:
        if is_bag(path):
            yield from _import_bag(path, bench, heard)
        else:
            yield _import_file(path, bench, heard)


# ------------------------------------------------------------------ one file
def _import_file(path: Path, bench: Bench, heard: Heard, *, manifest: bytes | None = None) -> FileReport:
    report = FileReport(path.name)
    try:
        problems = verify_file(path)
        report.problems = tuple(item for item in problems if item.severity != "note")
        _check(report.problems, path)
        foreign = scan(path, path.name)
        report.sha256, report.size, report.format = foreign.sha256, foreign.size, foreign.format
        report.software = foreign.software
        if foreign.ours:
            _take_bundle(foreign, bench, report, heard, manifest)
        else:
            _take_pages(foreign, bench, report, heard)
    except TearsheetError as error:
        report.error = error
    except OSError as error:
        remedy = "Name a WACZ or WARC file that can be read, or the folder of a bag"
        report.error = NotFound(error.strerror or str(error), where=str(path), remedy=remedy)
    except Exception as error:  # a defect that one file of many brings to light: told, and the others go on
        what = f"it could not be taken in: {type(error).__name__}: {error}"
        report.error = PermanentError(what, where=path.name, remedy="Report it with this file")
    return report


def _check(problems: tuple[Problem, ...], path: Path) -> None:
    """Raises FixityError for a file with an error in it."""
    errors = [item for item in problems if item.severity == "error"]
    if errors:
        shown = "; ".join(str(item) for item in errors[:3])
        more = f" and {len(errors) - 3:,} more" if len(errors) > 3 else ""
        remedy = "Nothing of it was stored. `tearsheet verify` lists every problem"
        raise FixityError(f"{shown}{more}", where=path.name, remedy=remedy)


def _take_pages(foreign: Foreign, bench: Bench, report: FileReport, heard: Heard) -> None:
    """Every page of a file of another tool; the file itself goes first."""
    settings, originals = bench.settings, Originals(foreign)
    choice = choose(
        foreign, originals, max_redirects=settings.max_redirects, max_decoded_bytes=settings.max_decoded_bytes
    )
    report.left, report.reasons = choice.left, choice.reasons
    if not choice.pages:
        shown = ", ".join(f"{count:,} {reason}" for reason, count in sorted(choice.reasons.items())) or "no record"
        raise FormatError(f"no page in it ({shown})", where=foreign.name, remedy="Nothing of it was stored")
    for page in choice.pages:
        try:
            told = _take_page(foreign, page, originals, bench, report)
            report.pages += 1
        except _STOPS:
            raise
        except Exception as error:  # whatever one page does to a parser, the others go on
            told = _page_report(foreign, page, error=_told(error, page))
            report.failed += 1
        heard(told)


def _told(error: Exception, page: Page) -> TearsheetError:
    if isinstance(error, TearsheetError):
        return error
    what = f"it could not be taken in: {type(error).__name__}: {error}"
    return PermanentError(what, where=page.entry.url, remedy="Report it with this file")


def _page_report(foreign: Foreign, page: Page, **more: Any) -> PageReport:
    first = page.chain[0]
    captured_at = f"{first.date:%Y-%m-%dT%H:%M:%SZ}"
    return PageReport(foreign.name, page.entry.url, captured_at, page.why, page.entry.id, **more)


def _take_page(foreign: Foreign, page: Page, originals: Originals, bench: Bench, report: FileReport) -> PageReport:
    with (
        contextlib.closing(rebuild_capture(foreign, page.chain, originals)) as capture,
        tempfile.TemporaryDirectory(dir=bench.workspace) as folder,
    ):
        reading = read_capture(capture, bench.settings, bench.rules, bench.signs)
        title = reading.metadata.title.value if reading.metadata.title else ""
        facts: dict[str, Any] = {
            "verdict": reading.verdict.kind.value,
            "reasons": reading.verdict.reasons,
            "title": title,
            "words": reading.article.words if reading.article else 0,
        }
        if bench.dry_run:
            return _page_report(foreign, page, **facts)
        bundle = pack_bundle(
            Path(folder),
            capture=capture,
            page=reading.page,
            verdict=reading.verdict,
            article=reading.article,
            metadata=reading.metadata,
            provenance={
                **provenance_of(bench.settings, bench.rules, bench.signs),
                "imported": _imported(foreign, page, originals),
            },
            signer=bench.signer,
        )
        _check_packed(bundle, capture)
        bench.store.tombstones.check(bundle.id)  # before anything of it is stored
        if not report.source:
            report.source = bench.store.put_source(Content(foreign.path, foreign.sha256, foreign.size), foreign.kind)
        ref = bench.store.put_bundle(bundle, today=bench.today)
        return _page_report(foreign, page, **facts, id=ref.id, created=ref.created)


def _imported(foreign: Foreign, page: Page, originals: Originals) -> dict[str, Any]:
    """The part of provenance.json that says where the capture comes from; FORMAT.md describes it."""
    records = []
    for entry in page.chain:
        asked, original = foreign.requests.get(entry.number), originals.of(entry) if entry.kind == "revisit" else None
        row = {"type": entry.kind, "record": entry.id, "date": f"{entry.date:%Y-%m-%dT%H:%M:%S.%fZ}"}
        row |= {"warc": entry.warc} if entry.warc else {}
        row |= {"request": asked.id} if asked else {}
        row |= {"payload": original.id} if original else {}
        records.append(row)
    return {**table_of(foreign), "chosen": page.why, "record": page.entry.id, "records": records}


def _check_packed(bundle: Bundle, capture: Capture) -> None:
    problems = verify_file(bundle.path, expected=bundle.sha256, manifest=bundle.manifest)
    if not is_sound(problems):
        raise FixityError(
            "the bundle made from it does not verify and was not stored: " + "; ".join(map(str, problems[:3])),
            where=capture.final_url,
            remedy="Report it with this file",
        )


# ------------------------------------------------------------------ ours
def _take_bundle(foreign: Foreign, bench: Bench, report: FileReport, heard: Heard, beside: bytes | None) -> None:
    """A bundle of ours, stored as it is; `beside` is the manifest that came with it, which must be the bundle's own."""
    manifest = manifest_of(foreign.path)
    known = read_manifest(manifest)
    if beside is not None:
        report.problems += tuple(verify_file(foreign.path, level="structure", manifest=beside))
        _check(tuple(item for item in report.problems if item.severity == "error"), foreign.path)
    bundle = Bundle(known.id, foreign.path, known.sha256, known.bytes, beside or manifest)
    _check(tuple(lineage_problems(bench.store, bundle.manifest)), foreign.path)
    bench.store.tombstones.check(bundle.id)  # before anything of it is stored
    told = PageReport(
        foreign.name,
        known.final_url,
        known.captured_at,
        "bundle",
        verdict=known.verdict.kind.value,
        reasons=known.verdict.reasons,
        title=known.metadata.title.value if known.metadata.title else "",
        words=known.words,
    )
    report.pages += 1
    if bench.dry_run:
        heard(told)
        return
    ref = bench.store.put_bundle(bundle, today=bench.today)
    heard(replace(told, id=ref.id, created=ref.created))


# ------------------------------------------------------------------ bags
def _import_bag(path: Path, bench: Bench, heard: Heard) -> Iterator[FileReport]:
    """What a bag holds: sources first, then files and bundles, then events. One that is not valid is refused whole."""
    try:
        bag = open_bag(path)
        for source in () if bench.dry_run else bag.sources:
            _put_source(source, bench.store)
    except TearsheetError as error:
        yield FileReport(path.name, error=error)
        return
    for file in bag.files:
        beside = bag.manifest_of(file)
        yield _import_file(file, bench, heard, manifest=beside)
    try:
        for event, attachment in () if bench.dry_run else bag.events():
            bench.store.put_event(event, attachment)
    except TearsheetError as error:
        yield FileReport(path.name, error=error)


def _put_source(source: SourceFile, store: Store) -> None:
    store.put_source(Content(source.path, source.sha256, source.path.stat().st_size), source.kind)
