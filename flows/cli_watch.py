"""`tearsheet watch`: the sources of watch.toml, changed, shown, tried and run."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli_common import Config, Json, Store, heard, stop_on_interrupt
from tasks import logs
from tasks.errors import TearsheetError
from tasks.settings import config_dirs, load_settings

if TYPE_CHECKING:
    from tasks.previewing import Preview
    from tasks.sources import Source

watch_app = typer.Typer(
    help="Sources to watch, named in config/watch.toml.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(help="A source of your watch.toml.")]


# ------------------------------------------------------------------ change
@watch_app.command(
    epilog="Example: tearsheet watch add courier --feed https://courier.example/rss --every 30m --revisit 1d"
)
def add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and dashes.")],
    feed: Annotated[str | None, typer.Option(help="URL of an RSS, Atom or JSON feed.")] = None,
    sitemap: Annotated[str | None, typer.Option(help="URL of a sitemap or an index of them.")] = None,
    section: Annotated[str | None, typer.Option(help="URL of a page with links to articles.")] = None,
    list_at: Annotated[str | None, typer.Option("--list", help="File or URL with one URL a line.")] = None,
    csv: Annotated[str | None, typer.Option(help="File or URL of a table with a row of names.")] = None,
    url: Annotated[list[str] | None, typer.Option(help="A URL itself; may be given again.")] = None,
    column: Annotated[str | None, typer.Option(help="Column of the CSV with the URLs. [url]")] = None,
    every: Annotated[str | None, typer.Option(help="Runs so often: 30m, 6h, 1d. [1h, without --cron]")] = None,
    cron: Annotated[str | None, typer.Option(help="Runs then: minute hour day month weekday.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA name in which --cron is read. [UTC]")] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Only URLs that fit this glob or /regex/; may be given again.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="No URLs that fit this one; may be given again.")] = None,
    max_age: Annotated[str | None, typer.Option(help="No entries dated earlier, such as 7d.")] = None,
    revisit: Annotated[
        list[str] | None, typer.Option(help="Visit again after 1h, 1d, …: may be given again; or adaptive. [never]")
    ] = None,
    mode: Annotated[
        Literal["page", "requisites", "browser", "auto"] | None, typer.Option(help="How to capture. [the setting]")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most pages archived in one run. [no limit]")] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Runs by hand only, until `watch resume`.")] = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Add a source to your watch.toml; `watch preview` then shows what it gives."""
    from tasks.sources import edit

    file = _file(config)
    kinds = {"feed": feed, "sitemap": sitemap, "section": section, "urls": url}
    on_disk = {"list": _beside(file, list_at), "csv": _beside(file, csv)}
    given: dict[str, Any] = {
        **kinds,
        **on_disk,
        "column": column,
        "interval": every or (None if cron else "1h"),
        "cron": cron,
        "timezone": timezone,
        "include": include,
        "exclude": exclude,
        "max_age": max_age,
        "revisit": revisit[0] if revisit in (["adaptive"], ["never"]) else revisit,
        "mode": mode,
        "limit": limit,
        "paused": paused or None,
        "store": store,
    }
    _print_changed(edit.add(file, name, {key: value for key, value in given.items() if value}), "added to", file, json)


@watch_app.command(epilog="Example: tearsheet watch remove courier")
def remove(name: Name, json: Json = False, config: Config = None) -> None:
    """Take a source out of your watch.toml, with the comments among its keys; what it archived stays."""
    from tasks.present import print_json
    from tasks.sources import edit

    file = _file(config)
    edit.remove(file, name)
    print_json({"name": name, "removed": True, "file": str(file)}) if json else print(f"{name}: removed from {file}")


@watch_app.command(epilog="Example: tearsheet watch pause courier")
def pause(name: Name, json: Json = False, config: Config = None) -> None:
    """Let a source rest: it only runs by hand, from the next start of `tearsheet serve` on."""
    from tasks.sources import edit

    file = _file(config)
    _print_changed(edit.pause(file, name), "paused in", file, json)


@watch_app.command(epilog="Example: tearsheet watch resume courier")
def resume(name: Name, json: Json = False, config: Config = None) -> None:
    """Let a source run on its schedule again, from the next start of `tearsheet serve` on."""
    from tasks.sources import edit

    file = _file(config)
    _print_changed(edit.resume(file, name), "resumed in", file, json)


def _file(config: str | None) -> Path:
    """The user's watch.toml: of --config, TEARSHEET_CONFIG or ./config."""
    from tasks.sources import FILE

    config_dirs(config)  # a folder that was named has to be there
    return Path(config or os.environ.get("TEARSHEET_CONFIG") or "config") / FILE


def _beside(file: Path, given: str | None) -> str | None:
    """A file named from here as watch.toml has to name it: relative where it lies below the configuration folder."""
    if not given or given.lower().startswith(("http://", "https://")):
        return given
    path, folder = Path(given).resolve(), file.parent.resolve()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _print_changed(source: "Source", what: str, file: Path, json: bool) -> None:
    from tasks.present import print_json

    print_json(_as_json(source)) if json else print(f"{source.name}: {what} {file}, {source.schedule}")


# ------------------------------------------------------------------ show
@watch_app.command("list", epilog="Example: tearsheet watch list --json")
def list_(json: Json = False, config: Config = None) -> None:
    """List the sources: kind, schedule, when pages are visited again, whether paused, where the URLs come from."""
    from tasks.present import print_json, printable
    from tasks.sources import load_sources

    sources = load_sources(config_dirs(config))
    if json:
        for source in sources:
            print_json(_as_json(source))
        return
    if not sources:
        logs.say("watch.toml names no source; tearsheet watch add names one")
        return
    rows = [("name", "kind", "schedule", "revisit", "paused", "from")]
    rows += [
        (one.name, one.kind, one.schedule, one.plan, "paused" if one.paused else "-", one.place) for one in sources
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    for row in rows:
        columns = [f"{text:{width}}" for text, width in zip(row[:5], widths, strict=True)]
        print(printable("  ".join([*columns, row[5]])))


def _as_json(source: "Source") -> dict[str, Any]:
    return {
        "name": source.name,
        "kind": source.kind,
        "at": source.at or None,
        "urls": list(source.urls),
        "column": source.column if source.kind == "csv" else None,
        "include": list(source.include),
        "exclude": list(source.exclude),
        "mode": source.mode or None,
        "cron": source.cron or None,
        "interval_s": source.interval_s,
        "timezone": source.timezone,
        "revisit_s": list(source.revisit),
        "adaptive": source.adaptive,
        "store": source.store or None,
        "limit": source.limit,
        "paused": source.paused,
        "max_age_s": source.max_age_s,
        "where": source.where,
    }


# ------------------------------------------------------------------ try
@watch_app.command(epilog="Example: tearsheet watch preview https://courier.example/feed.xml")
def preview(
    target: Annotated[str, typer.Argument(metavar="NAME|URL", help="A source, or a URL that could become one.")],
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Show which URLs a source gives now, which are passed over and why, and what the store holds; archive nothing."""
    from tasks.present import print_json, printable
    from tasks.previewing import preview_source
    from tasks.sources import load_sources, named

    is_url = target.lower().startswith(("http://", "https://"))
    source = None if is_url else named(load_sources(config_dirs(config)), target)
    settings = load_settings(config, store=store or (source.store if source else "") or None)
    shown = preview_source(source or target, settings, heard=heard())
    if json:
        for row in shown.as_rows():
            print_json(row)
    else:
        _print_preview(shown)
    for note in shown.discovery.notes:
        logs.say(printable(f"note: {note}"))
    raise typer.Exit(0 if shown.discovery.found else 1)


def _print_preview(shown: "Preview") -> None:
    from tasks.present import printable

    for row in shown.as_rows():
        fate = "pass" if not row["taken"] else "held" if row["held"] else "take"
        dated = f" ({row['published'][:10]})" if row["published"] else ""
        print(printable(f"{fate}  {row['url'] or '-'}{dated}  {row['why']}"))
    taken, passed = len(shown.discovery.found), len(shown.discovery.passed_over)
    limit = f", at most {shown.source.limit} a run" if shown.source.limit else ""
    logs.say(
        f"{shown.source.kind} {shown.source.place}: {shown.due} to archive{limit}, {taken - shown.due} held, "
        f"{passed} passed over; nothing was archived"
    )


# ------------------------------------------------------------------ run
@watch_app.command("run", epilog="Example: tearsheet watch run courier --store s3://bucket/prefix")
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Sources of watch.toml; none: all but paused ones.")] = None,
    share: Annotated[
        str | None,
        typer.Option(help="Only this share of the hosts, such as 1/3, for workers beside each other."),
    ] = None,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Archive, once and now, what the sources name and the store lacks, and visit again what is due."""
    from tasks.pipeline import open_tools
    from tasks.present import Talk, outcome_line, print_json
    from tasks.sources import load_sources, named
    from tasks.watching import watch_source

    dirs = config_dirs(config)
    sources = load_sources(dirs)
    chosen = [named(sources, name) for name in names] if names else [one for one in sources if not one.paused]
    good, talk, stop, parted = bool(chosen), Talk(), stop_on_interrupt(), _share(share)
    if not sources:
        talk.say("watch.toml names no source; config/watch.toml of Tearsheet shows how")
    elif not chosen:
        talk.say("every source is paused; tearsheet watch resume NAME")
    for source in chosen:
        if stop.is_set():
            good = False
            break
        settings = load_settings(config, store=store or source.store or None, mode=source.mode or None)
        try:
            with open_tools(settings, dirs, heard=heard()) as tools:
                told = (lambda outcome: None) if json else (lambda outcome: print(outcome_line(outcome), flush=True))
                report = watch_source(source, tools, heard=told, stopped=stop.is_set, share=parted)
        except TearsheetError as error:  # one source's failure never stops the others
            talk.say(f"{source.name}: {error}")
            good = False
            continue
        good &= report.good
        print_json(report.as_json()) if json else talk.say(str(report))
    raise typer.Exit(0 if good else 1)


def _share(text: str | None) -> tuple[int, int]:
    """`2/3` as (1, 3)."""
    number, slash, of = (text or "1/1").partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 0 < int(number) <= int(of)):
        raise typer.BadParameter("write 1/3, 2/3 or 3/3", param_hint="--share")
    return int(number) - 1, int(of)
