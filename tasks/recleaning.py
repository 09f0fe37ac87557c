"""Newer rules over stored bundles, without network: fetch → verify → read the capture → clean → compare → pack → store.

A bundle whose article, ledger and metadata stay the same is left alone. Else a derived bundle is stored beside it: the
WARC byte for byte the parent's, everything derived made anew, the parent named. Nothing here follows a clock, so that a
run that was broken off and is run again ends with the same bundles.
"""

import contextlib
import io
import json
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

from tasks.bundle.derived import article_files
from tasks.bundle.manifest import PREVIOUS, SOURCED, Manifest, read_manifest
from tasks.bundle.original import Original, StoredBlock, StoredExchange, read_original
from tasks.bundle.pack import pack_bundle
from tasks.bundle.provenance import settings_digest
from tasks.bundle.sign import Signer
from tasks.bundle.verify import is_sound, verify_file
from tasks.capture.head import FRAMING_REMOVED, HEAD_END, parse_stored_head, resource_head
from tasks.capture.signs import Signs, load_signs
from tasks.catalog import entries, families, is_id, newest, read_entry
from tasks.clean import RuleSet, load_rules
from tasks.diff import Diff, diff_texts
from tasks.errors import FixityError, FormatError, NotFound, PermanentError, TearsheetError
from tasks.keys import signer_of
from tasks.lineage import lineage_problems
from tasks.pipeline import provenance_of
from tasks.reading import Reading, read_capture
from tasks.records import (
    Bundle,
    Capture,
    Digest,
    Exchange,
    Missing,
    ProbeNote,
    Rendered,
    Requisites,
    Resource,
    VerdictKind,
)
from tasks.settings import Settings
from tasks.store import Store, open_store
from tasks.versioning import still_thin
from tasks.workers import in_processes, in_threads, make_shards

__all__ = [
    "Bench",
    "Due",
    "Job",
    "Recleaned",
    "Report",
    "capture_of",
    "check_rules",
    "due_by_id",
    "due_of_all",
    "open_bench",
    "reclean_bundle",
    "reclean_plainly",
    "reclean_shard",
]

_SHARD = 25  # bundles that one process is handed at once: opening a store costs as much as a few of them
# Settings that decide how a page is read; the others in provenance.json tell of the capture and stay the parent's.
_OF_CLEANING = ("max_decoded_bytes", "thin_words", "thinner_share", "thinner_from_words")
_OF_HISTORY = (PREVIOUS, "forced", "completes")  # in provenance.json: what the capture was held against stays
_MADE_BY = ("software", "rules", "model")  # of provenance.json
STATUSES = ("unchanged", "changed", "worse", "problem")
_SHOWN_FIELDS = (*SOURCED, "verdict", "no_article", "media_type", "charset", "decode_flags")


@dataclass(frozen=True, slots=True)
class Job:
    """How bundles are cleaned anew: small, for it goes to workers in other processes."""

    settings: Settings
    dirs: tuple[Path, ...]  # where rules and signs of walls stand, the weakest first
    dry_run: bool = False  # compare only
    diff: bool = False  # give the differing texts, too


@dataclass(frozen=True, slots=True)
class Recleaned:
    """What became of one bundle."""

    id: str  # the bundle that was cleaned anew: the newest of its capture
    url: str = ""
    new_id: str = ""  # the derived bundle; empty where nothing was stored
    created: bool = False  # False: the very same derived bundle was there already
    parts: tuple[str, ...] = ()  # of article, ledger, metadata: those that changed
    fields: tuple[str, ...] = ()  # of metadata.json, without its counts
    added: int = 0  # words
    removed: int = 0
    before: VerdictKind | None = None
    after: VerdictKind | None = None
    diff: Diff | None = None  # only where the job asks for it
    error: TearsheetError | None = None

    @property
    def status(self) -> str:
        """unchanged, changed, worse (the verdict was good and is bad now) or problem."""
        if self.error:
            return "problem"
        if not self.parts:
            return "unchanged"
        return "worse" if self.before and self.after and self.before.good and not self.after.good else "changed"

    @property
    def good(self) -> bool:
        """Whether nothing needs a look."""
        return self.status in ("unchanged", "changed")

    def as_json(self) -> dict[str, Any]:
        """The fields of `reclean --json`."""
        row: dict[str, Any] = {
            "id": self.id,
            "url": self.url or None,
            "status": self.status,
            "new_id": self.new_id or None,
            "created": self.created,
            "parts": list(self.parts),
            "fields": list(self.fields),
            "words_added": self.added,
            "words_removed": self.removed,
            "verdict_before": self.before.value if self.before else None,
            "verdict_after": self.after.value if self.after else None,
            "error": str(self.error) if self.error else None,
        }
        return row | ({"diff": self.diff.as_json()} if self.diff else {})


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did, without the differing texts."""

    found: tuple[Recleaned, ...]
    stopped: bool = False  # before the rest

    @property
    def good(self) -> bool:
        """Whether nothing needs a look."""
        return not self.stopped and all(item.good for item in self.found)

    def __str__(self) -> str:
        """One line for people."""
        counts = Counter(item.status for item in self.found)
        total = len(self.found)
        parts = ", ".join(f"{counts[kind]:,} {kind}" for kind in STATUSES if counts[kind])
        words = f"; +{sum(item.added for item in self.found):,} −{sum(item.removed for item in self.found):,} words"
        head = f"{total:,} bundle{'s' if total != 1 else ''}: {parts}{words}" if total else "no bundle"
        return head + ("; stopped before the rest: the same command does it" if self.stopped else "")


# ------------------------------------------------------------------ which bundles
@dataclass(frozen=True, slots=True)
class Due:
    """The bundles to be cleaned anew, one a capture: the newest of it. And what could not be found out."""

    ids: tuple[str, ...]
    problems: tuple[Recleaned, ...] = ()


def due_of_all(store: Store, *, host: str = "", since: date | None = None, until: date | None = None) -> Due:
    """The captures of the store: of one host with its sub-domains, from one day to another (UTC, both included)."""
    problems: list[Recleaned] = []

    def broken(error: FormatError) -> None:
        problems.append(Recleaned(error.where.removesuffix(".json"), error=error))

    ends = map(newest, families(entries(store, broken=broken)))
    return Due(tuple(entry.id for entry in ends if entry.fits(host=host, since=since, until=until)), tuple(problems))


def due_by_id(store: Store, ids: Iterable[str]) -> Due:
    """The captures that these bundles are of, in order; a bundle that was cleaned anew since gives the newest one."""
    days: dict[str, list[str]] = {}
    ends: dict[str, None] = {}
    problems: list[Recleaned] = []
    for id_ in dict.fromkeys(ids):
        try:
            ends[_chain_end(store, id_, days)] = None
        except TearsheetError as error:
            problems.append(Recleaned(id_, error=error))
    return Due(tuple(ends), tuple(problems))


def _chain_end(store: Store, id_: str, days: dict[str, list[str]]) -> str:
    """The newest bundle of the capture of `id_`; `days` holds the ids of the days that were listed."""
    if not is_id(id_):
        raise NotFound(
            "not the id of a bundle", where=id_, remedy="`tearsheet list` shows them: 20261123101500-0123456789abcdef"
        )
    if id_[:8] not in days:
        days[id_[:8]] = list(store.list_ids(id_[:8]))
    same_second = [other for other in days[id_[:8]] if other[:14] == id_[:14] and other != id_]
    own = read_entry(id_, store.read_manifest(id_))
    family = [own]
    for other in same_second:
        # A damaged one beside it is its own problem, not this capture's.
        with contextlib.suppress(FormatError, NotFound):
            entry = read_entry(other, store.read_manifest(other))
            family += [entry] if entry.capture == own.capture else []
    return newest(family).id


# ------------------------------------------------------------------ many bundles
def reclean_plainly(
    ids: Sequence[str], job: Job, *, runner: str, workers: int, stop: threading.Event
) -> Iterator[Recleaned]:
    """What became of each bundle, as they finish: by `runner` thread in this process, by process in `workers` others.

    Once `stop` is set no further one is begun. Raises RuleError before anything is begun.
    """
    check_rules(job)
    if runner == "thread":
        with open_bench(job) as bench:

            def work(shard: tuple[str, ...]) -> list[Recleaned]:
                return [reclean_bundle(id_, bench) for id_ in shard]

            yield from in_threads(work, make_shards(ids, 1), workers=workers, stop=stop)
        return
    shards = make_shards(ids, max(1, min(_SHARD, len(ids) // (workers * 4))))
    yield from in_processes(partial(reclean_shard, job=job), shards, workers=workers, stop=stop, died=_died)


def check_rules(job: Job) -> None:
    """Raises RuleError where rules or signs cannot be read; else they are read once in this process."""
    _rules(job.dirs)
    _signs(job.dirs)


def _died(id_: str) -> Recleaned:
    what = "the process that cleaned it died, perhaps for want of memory"
    return Recleaned(
        id_, error=PermanentError(what, where=id_, remedy="Try it alone: `tearsheet reclean` with this id")
    )


# ------------------------------------------------------------------ one bundle
@dataclass(frozen=True, slots=True)
class Bench:
    """What cleaning anew works with; open_bench makes it and clears it up."""

    job: Job
    rules: RuleSet
    store: Store
    workspace: Path
    tree: threading.Lock  # one page in memory as a tree: threads gain nothing there, and libxml2 is safest so
    signer: Signer | None
    signs: Signs


@contextlib.contextmanager
def open_bench(job: Job) -> Iterator[Bench]:
    """The bench for one run or one shard; nothing of it stays on disk."""
    signer = None if job.dry_run else signer_of(job.settings)
    with (
        open_store(job.settings.store, job.settings) as store,
        tempfile.TemporaryDirectory(prefix="tearsheet-") as workspace,
    ):
        yield Bench(job, _rules(job.dirs), store, Path(workspace), threading.Lock(), signer, _signs(job.dirs))


@lru_cache(maxsize=4)
def _rules(dirs: tuple[Path, ...]) -> RuleSet:
    return load_rules(dirs)


@lru_cache(maxsize=4)
def _signs(dirs: tuple[Path, ...]) -> Signs:
    return load_signs(dirs)


def reclean_shard(ids: Iterable[str], job: Job) -> tuple[Recleaned, ...]:
    """What became of a few bundles, in a process of its own perhaps."""
    with open_bench(job) as bench:
        return tuple(reclean_bundle(id_, bench) for id_ in ids)


def reclean_bundle(id_: str, bench: Bench) -> Recleaned:
    """One bundle cleaned with the rules in force now, and stored anew where that changes anything.

    Never raises: one bundle cannot stop others, whatever a page does to the parsers.
    """
    try:
        return _reclean(id_, bench)
    except TearsheetError as error:
        return Recleaned(id_, error=error)
    except Exception as error:  # a defect that one page of thousands brings to light: told, never raised
        what = f"it could not be cleaned: {type(error).__name__}: {error}"
        return Recleaned(id_, error=PermanentError(what, where=id_, remedy="Report it with this bundle"))


def _reclean(id_: str, bench: Bench) -> Recleaned:
    with tempfile.TemporaryDirectory(dir=bench.workspace) as folder:
        path = bench.store.fetch_bundle(id_, Path(folder))
        manifest = _sound_manifest(id_, path, bench.store)
        original = read_original(path)
        capture = capture_of(original)
        with bench.tree:
            reading = read_capture(capture, bench.job.settings, bench.rules, bench.signs)
        reading = still_thin(manifest.verdict, reading, bench.job.settings)
        found = _compared(manifest, original, capture, reading, diff=bench.job.diff)
        if not found.parts or bench.job.dry_run:
            return Recleaned(**found.values)
        bundle = _pack(Path(folder), manifest, original, capture, reading, bench)
        ref = bench.store.put_bundle(bundle)
        return Recleaned(**found.values, new_id=ref.id, created=ref.created)


def _sound_manifest(id_: str, path: Path, store: Store) -> Manifest:
    """The manifest of a stored bundle that verifies with it; else FixityError with its first problems."""
    manifest = store.read_manifest(id_)
    problems = (*verify_file(path, manifest=manifest), *lineage_problems(store, manifest))
    if not is_sound(problems):
        raise FixityError(
            "it does not verify: " + "; ".join(str(problem) for problem in problems[:3]),
            where=f"{store.location} {id_}",
            remedy="Nothing was derived from it. `tearsheet verify` lists every problem",
        )
    return read_manifest(manifest)


# ------------------------------------------------------------------ the capture
def capture_of(original: Original) -> Capture:
    """The capture as the recorder gave it once. FormatError where the WARC does not hold it."""
    exchanges = tuple(_exchange(stored) for stored in original.exchanges)
    about = original.metadata
    noted = original.provenance.get("capture", {})
    return Capture(
        str(about["url"]),
        exchanges,
        original.user_agent,
        str(about["mode"]),
        requisites=_requisites(original.provenance),
        probe=_probe(original.provenance),
        rendered=_rendered(original, noted.get("rendered")),
        not_rendered=str(noted.get("not_rendered", "")),
    )


def _rendered(original: Original, noted: Mapping[str, Any] | None) -> Rendered | None:
    """What a browser made of the page once."""
    if not noted:
        return None
    resources = tuple(
        Resource(one.name, one.media_type, _Body(one.block, 0), one.digest, one.date) for one in original.resources
    )
    flags, overlays = tuple(map(str, noted["flags"])), tuple(map(str, noted["overlays"]))
    refused = tuple(Missing(str(one["url"]), str(one["reason"])) for one in noted["refused"])
    product, agent, title = (str(noted[name]) for name in ("product", "agent", "title"))
    return Rendered(product, agent, resources, title, flags, refused, overlays)


def _requisites(provenance: Mapping[str, Any]) -> Requisites | None:
    """What the capture noted of its requisites, by which it may be partial."""
    found = provenance.get("capture", {}).get("requisites")
    if not found:
        return None
    missing = tuple(Missing(str(one["url"]), str(one["reason"])) for one in found["missing"])
    return Requisites(int(found["wanted"]), missing)


def _probe(provenance: Mapping[str, Any]) -> ProbeNote | None:
    """What the capture noted of its host's error page, by which it may be one."""
    found = provenance.get("capture", {}).get("probe")
    return ProbeNote(str(found["url"]), float(found["likeness"])) if found else None


def _exchange(stored: StoredExchange) -> Exchange:
    raw = b"" if stored.media_type else _head(stored.block)
    head = resource_head(stored.media_type) if stored.media_type else parse_stored_head(raw)
    if head is None:
        raise FormatError("no HTTP head", where=stored.record_id, remedy="`tearsheet verify` lists every problem")
    flags = stored.fact("flags").split()
    try:
        return Exchange(
            url=stored.url,
            started_at=datetime.strptime(stored.fact("startedAt"), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC),
            request=stored.request,
            response_head=raw,
            body=_Body(stored.block, len(raw)),
            status=head.status,
            headers=head.headers,
            ip=stored.ip,
            block_digest=stored.block_digest,
            payload_digest=Digest(stored.fact("payloadDigest")),
            payload_size=int(stored.fact("payloadSize")),
            chunked=head.chunked and FRAMING_REMOVED not in flags,
            truncated=stored.truncated,
            flags=tuple(flags),
            first_byte_s=_seconds(stored.fact("firstByteMs")),
            elapsed_s=_seconds(stored.fact("fetchTimeMs")),
        )
    except ValueError as error:
        raise FormatError(
            f"its metadata record is not as FORMAT.md says: {error}",
            where=stored.record_id,
            remedy="`tearsheet verify` lists every problem",
        ) from None


def _seconds(milliseconds: str) -> float | None:
    """None where the capture, another tool's, does not tell."""
    return int(milliseconds) / 1000 if milliseconds else None


def _head(block: StoredBlock) -> bytes:
    """Status line and headers, up to and including the empty line."""
    data = b""
    with block.open() as reader:
        while more := reader.read(1 << 16):
            data += more
            if end := HEAD_END.search(data):
                return data[: end.end()]
    return data


class _Body:
    """The body behind the head of a stored block; a tasks.records.Body."""

    def __init__(self, block: StoredBlock, start: int) -> None:
        self.block, self.start, self.size = block, start, block.size - start

    def open(self) -> BinaryIO:
        reader = self.block.open()
        reader.seek(self.start, io.SEEK_SET)
        return reader

    def close(self) -> None:
        """Nothing: it lies in the bundle."""


# ------------------------------------------------------------------ compare
@dataclass(frozen=True, slots=True)
class _Compared:
    values: dict[str, Any]  # fields of Recleaned

    @property
    def parts(self) -> tuple[str, ...]:
        parts: tuple[str, ...] = self.values["parts"]
        return parts


def _compared(manifest: Manifest, original: Original, capture: Capture, reading: Reading, *, diff: bool) -> _Compared:
    """What is other than in the bundle, by the bytes of the derived files: what is the same there is the same."""
    files = article_files(capture, reading.page, reading.verdict, reading.article, reading.metadata)
    fields, parts = _changed(original, files)
    words = diff_texts(manifest.text, reading.article.text if reading.article else "") if "article" in parts else None
    return _Compared(
        {
            "id": manifest.id,
            "url": manifest.final_url,
            "parts": parts,
            "fields": fields,
            "added": words.added if words else 0,
            "removed": words.removed if words else 0,
            "before": manifest.verdict.kind,
            "after": reading.verdict.kind,
            "diff": words if diff else None,
        }
    )


def _changed(original: Original, files: Mapping[str, bytes]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fields of metadata.json that changed, and parts."""
    differs = {name for name in {*files, *original.files} if files.get(name) != original.files.get(name)}
    now, before = _without_score(json.loads(files["metadata.json"])), _without_score(original.metadata)
    fields = tuple(name for name in _SHOWN_FIELDS if now.get(name) != before.get(name))
    if now == before:
        differs.discard("metadata.json")
    parts = ["article"] if differs & {"article.html", "article.md", "article.txt"} else []
    parts += ["ledger"] if "removed.jsonl" in differs else []
    parts += ["metadata"] if fields or differs == {"metadata.json"} else []
    return fields, tuple(parts)


def _without_score(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """metadata.json but for the verdict's score: no bundle is made anew for that, and old ones have none."""
    verdict = {name: value for name, value in metadata["verdict"].items() if name != "score"}
    return {**metadata, "verdict": verdict}


# ------------------------------------------------------------------ derive
def _pack(
    folder: Path, manifest: Manifest, original: Original, capture: Capture, reading: Reading, bench: Bench
) -> Bundle:
    """The derived bundle on disk, verified."""
    bundle = pack_bundle(
        folder,
        capture=capture,
        page=reading.page,
        verdict=reading.verdict,
        article=reading.article,
        metadata=reading.metadata,
        provenance=_provenance(manifest, original.provenance, bench),
        original=original,
        signer=bench.signer,
    )
    problems = verify_file(bundle.path, expected=bundle.sha256, manifest=bundle.manifest)
    if not is_sound(problems):
        raise FixityError(
            "the derived bundle does not verify and was not stored: " + "; ".join(map(str, problems[:3])),
            where=manifest.id,
            remedy="Report it with this bundle",
        )
    return bundle


def _provenance(manifest: Manifest, parents: Mapping[str, Any], bench: Bench) -> Mapping[str, Any]:
    """What made the derived bundle: program and rules of now, the capture's settings, the parent and what made that."""
    now = provenance_of(bench.job.settings, bench.rules, bench.signs)
    settings = {**parents.get("settings", {}), **{key: now["settings"][key] for key in _OF_CLEANING}}
    link = {"id": manifest.id, "sha256": manifest.sha256}
    above = manifest.lineage
    return {
        **{name: parents[name] for name in ("imported",) if name in parents},
        **now,
        **{key: parents[key] for key in _OF_HISTORY if key in parents},
        "settings": settings,
        "settings_digest": settings_digest(settings),
        "parent": {**link, **{key: parents[key] for key in _MADE_BY if key in parents}},
        "root": {"id": above.root.id, "sha256": above.root.sha256} if above else link,
        "generation": above.generation + 1 if above else 1,
    }
