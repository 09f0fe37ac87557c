"""The commands that say what is in a store: list, search, versions; and catalog, which keeps that up to date."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli_common import Config, Json, Store, day, heard, warn
from tasks.errors import FormatError
from tasks.settings import load_settings

if TYPE_CHECKING:
    from tasks.catalog import Catalog, Entry, Hit, Snippet, Version
    from tasks.present import Line

__all__ = ["add_commands"]

catalog_app = typer.Typer(
    help="The local catalog of a store: derived, can be made anew at any time.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command("list", epilog="Example: tearsheet list --host courier.example --since 2026-03-01 --json")(list_)
    app.command("search", epilog="Example: tearsheet search '\"last ferry\" author:Byron site:courier.example'")(search)
    app.command("versions", epilog="Example: tearsheet versions https://example.org/story")(versions)
    app.add_typer(catalog_app, name="catalog")


# ------------------------------------------------------------------ list
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also bundles that a newer cleaning stands in for.")] = False,
    host: Annotated[str, typer.Option(help="Only this host and its sub-domains.")] = "",
    section: Annotated[str, typer.Option(help="Only sections with this in their name.")] = "",
    author: Annotated[str, typer.Option(help="Only with an author whose name has this in it.")] = "",
    since: Annotated[str | None, typer.Option(help="Captured on this day (UTC) or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Captured on this day (UTC) or earlier.")] = None,
    verdict: Annotated[str, typer.Option(help="Only this verdict, such as ok or blocked.")] = "",
    language: Annotated[str, typer.Option(help="Only this language, such as en, with its regions.")] = "",
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Only what has a bad verdict, with reasons.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many, the newest.")] = None,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """List what the store holds, oldest first: of each capture the bundle that is shown. What has a bad verdict is
    marked as in quarantine: it is kept, but never the newest version."""
    from dataclasses import asdict

    from tasks.catalog import Filters, Heard, open_catalog
    from tasks.present import Talk, entry_line, print_json
    from tasks.store import open_store

    days = day(since), day(until)
    filters = Filters(host, section, author, *days, _verdict(verdict), language, limit, every, quarantine)
    settings = load_settings(config, store=store)
    count, apart, broken = 0, 0, list[FormatError]()
    told = Heard(say=Talk().say, broken=broken.append)
    with open_store(settings.store, settings) as opened, open_catalog(opened, settings, heard=told) as catalog:
        for count, entry in enumerate(catalog.list(filters), 1):  # noqa: B007 counted for the last line
            apart += entry.quarantine
            print_json({**asdict(entry), "quarantine": entry.quarantine}) if json else print(entry_line(entry))
    for error in broken:
        warn(error)
    held = f", {apart:,} of them in quarantine" if apart else ""
    Talk().say(f"{count:,} bundle{'s' if count != 1 else ''} in {settings.store}{held}")
    raise typer.Exit(1 if broken else 0)


def _verdict(text: str) -> str:
    from tasks.records import VerdictKind

    kinds = [kind.value for kind in VerdictKind]
    if text and text not in kinds:
        raise typer.BadParameter(f"{text!r} is no verdict; there are {', '.join(kinds)}")
    return text


# ------------------------------------------------------------------ search
def search(
    words: Annotated[
        list[str],
        typer.Argument(
            help='Words, "a phrase", -not, begin*, title: author: site: section: lang: since: until: …; all must fit.'
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="Every bundle, not one of each article.")] = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Search the articles of the store, the best first; exit 1 where nothing fits."""
    from tasks.catalog import open_catalog, parse_query
    from tasks.present import Talk, print_json, print_lines
    from tasks.store import open_store

    try:
        query = parse_query(" ".join(words))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    settings = load_settings(config, store=store)
    with open_store(settings.store, settings) as opened, open_catalog(opened, settings, heard=heard()) as catalog:
        hits = catalog.search(query, limit=limit, every=every)
    for hit in hits:
        print_json(_hit_json(hit)) if json else print_lines(_hit_lines(hit))
    Talk().say(
        f"{len(hits):,} result{'s' if len(hits) != 1 else ''}{', more with --limit' if len(hits) == limit else ''}"
    )
    raise typer.Exit(0 if hits else 1)


def _hit_json(hit: "Hit") -> dict[str, Any]:
    entry = hit.entry
    return {
        "id": entry.id,
        "url": entry.final_url,
        "title": entry.title,
        "title_marks": [list(span) for span in hit.title.marks],
        "authors": list(entry.authors),
        "captured_at": entry.captured_at,
        "language": entry.language,
        "verdict": entry.verdict.value,
        "quarantine": entry.quarantine,
        "words": entry.words,
        "score": hit.score,
        "snippet": hit.snippet.text,
        "marks": [list(span) for span in hit.snippet.marks],
    }


def _hit_lines(hit: "Hit") -> "Iterable[Line]":
    from tasks.present import in_quarantine

    entry = hit.entry
    by = f"  {', '.join(entry.authors)}" if entry.authors else ""
    yield _marked(hit.title, "bold") if entry.title else (("–", "bold"),)
    apart = f"  {in_quarantine(entry)}" if entry.quarantine else ""
    yield (_plain(f"    {entry.id}  {entry.verdict}  {entry.words:,} words{by}{apart}"),)
    yield (_plain(f"    {entry.final_url}"),)
    if hit.snippet.text:
        yield (_plain("    "), *_marked(hit.snippet, ""))


def _marked(snippet: "Snippet", style: str) -> "Line":
    """A stretch of text in parts, those that were looked for in another colour."""
    parts: list[tuple[str, str]] = []
    at = 0
    for start, end in snippet.marks:
        parts += [_plain(snippet.text[at:start], style), _plain(snippet.text[start:end], "bold yellow")]
        at = end
    return (*parts, _plain(snippet.text[at:], style))


def _plain(text: str, style: str = "") -> tuple[str, str]:
    from tasks.present import printable

    return printable(text.replace("\n", " ")), style


# ------------------------------------------------------------------ versions
def versions(
    url: Annotated[str, typer.Argument(help="A URL of the article, in any spelling.")],
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """List the versions of one article, oldest first, and under which URLs it is known; exit 1 where there is none."""
    from tasks.catalog import numbered, open_catalog
    from tasks.errors import NotFound
    from tasks.present import print_json
    from tasks.store import open_store

    settings = load_settings(config, store=store)
    with open_store(settings.store, settings) as opened, open_catalog(opened, settings, heard=heard()) as catalog:
        found = numbered(catalog.versions(url))
    if not found:
        remedy = f"`tearsheet list --store {settings.store}` shows all"
        raise NotFound("no bundle of this URL in the store", where=url, remedy=remedy)
    for version in found:
        print_json(version.as_json()) if json else print(_version_line(version))
    if not json:
        _print_urls([version.entry for version in found])


def _version_line(version: "Version") -> str:
    from tasks.present import in_quarantine, printable

    entry = version.entry
    facts = [version.kind + (f" of {entry.parent}" if version.kind == "derived" else "")]
    facts += [in_quarantine(entry)] if entry.quarantine else []
    if entry.observed:
        facts.append(f"seen {entry.observed:,} more time{'s' if entry.observed != 1 else ''}, last {entry.seen_at}")
    facts += [f"taken down {entry.tombstone}"] if entry.tombstone else []
    facts += ["newest"] if version.newest else []
    return printable(
        f"{version.number:4}  {entry.id}  {entry.verdict:8} {entry.words:6,} words  {'; '.join(facts)}".replace(
            "\n", " "
        )
    )


def _print_urls(found: "list[Entry]") -> None:
    """Each URL under which the article is known, with why."""
    from tasks.present import printable

    known: dict[str, dict[str, None]] = {}
    for entry in found:
        for page in entry.urls:
            known.setdefault(page.url, {}).update(dict.fromkeys(page.why))
    for url, why in known.items():
        print(printable(f"      {url}  ({', '.join(why)})"))


# ------------------------------------------------------------------ catalog
@catalog_app.command("rebuild", epilog="Example: tearsheet catalog rebuild --store s3://bucket/prefix")
def rebuild(store: Store = None, json: Json = False, config: Config = None) -> None:
    """Make the catalog anew from the store alone; a rebuild that was broken off goes on."""
    _maintain(store, config, json, fresh=False, anew=True)


@catalog_app.command("refresh", epilog="Example: tearsheet catalog refresh --store s3://bucket/prefix")
def refresh(store: Store = None, json: Json = False, config: Config = None) -> None:
    """Read what is new in the store, as every command that needs the catalog does by itself."""
    _maintain(store, config, json, fresh=True)


@catalog_app.command("info", epilog="Example: tearsheet catalog info --json")
def info(store: Store = None, json: Json = False, config: Config = None) -> None:
    """Show where the catalog lies, what is in it, and what could not be read; nothing is refreshed."""
    _maintain(store, config, json, fresh=False)


def _maintain(store: str | None, config: str | None, json: bool, *, fresh: bool, anew: bool = False) -> None:
    from tasks.catalog import Heard, open_catalog
    from tasks.present import Talk
    from tasks.store import open_store

    settings = load_settings(config, store=store)
    with open_store(settings.store, settings) as opened, Talk(None, doing="reading manifests") as talk:
        told = Heard(say=talk.say, step=talk.advance, broken=warn)
        with open_catalog(opened, settings, heard=told, fresh=fresh) as catalog:
            if anew:
                catalog.rebuild()
            broken = _print_info(catalog, json=json)
    raise typer.Exit(1 if broken else 0)


def _print_info(catalog: "Catalog", *, json: bool) -> int:
    """Print what there is; how many manifests and events cannot be read."""
    from dataclasses import asdict

    from tasks.present import print_json, printable

    told, broken = catalog.info(), catalog.broken()
    if json:
        print_json({**asdict(told), "broken": [{"name": name, "what": what} for name, what in broken]})
        return len(broken)
    for name, value in asdict(told).items():
        print(f"{name:12} {value:,}" if isinstance(value, int) else f"{name:12} {value}")
    for name, what in broken:
        print(printable(f"  {name}: {what}"))
    return len(broken)
