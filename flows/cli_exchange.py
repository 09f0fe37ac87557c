"""`tearsheet export` and `tearsheet import`: the store's contents for others, and others' files for the store."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.cli_common import Config, Force, Json, Store, day, warn
from tasks.settings import config_dirs, load_settings

__all__ = ["add_commands"]


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command(epilog="Example: tearsheet export --all --host courier.example -o courier-bag --as bagit")(export)
    app.command("import", epilog="Example: tearsheet import crawl.wacz old.warc.gz --dry-run")(import_)


# ------------------------------------------------------------------ export
def export(
    targets: Annotated[list[str] | None, typer.Argument(help="Ids of bundles, or URLs.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to make.")] = Path("tearsheet-export"),
    form: Annotated[
        Literal["bagit", "markdown"], typer.Option("--as", help="A BagIt bag of bundles, or articles as Markdown.")
    ] = "bagit",
    every: Annotated[bool, typer.Option("--all", help="All bundles of the store.")] = False,
    host: Annotated[str, typer.Option(help="With --all: only this host and its sub-domains.")] = "",
    since: Annotated[str | None, typer.Option(help="With --all: captured on this day (UTC) or later.")] = None,
    until: Annotated[str | None, typer.Option(help="With --all: captured on this day (UTC) or earlier.")] = None,
    newest: Annotated[
        bool | None,
        typer.Option("--newest/--every", help="Of each article the newest good bundle, or all. [Markdown: newest]"),
    ] = None,
    force: Force = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Write bundles as a valid BagIt bag, or articles as Markdown files with front matter."""
    from tasks.exporting import Exported, Selection, export_bag, export_markdown, selected
    from tasks.present import Talk, print_json, printable
    from tasks.store import open_store

    if bool(targets) == every or ((host or since or until) and not every):
        raise typer.BadParameter("name ids or URLs, or --all, which --host, --since and --until narrow")
    settings = load_settings(config, store=store)
    only_newest = form == "markdown" if newest is None else newest
    wanted = Selection(tuple(targets or ()), host, day(since), day(until), only_newest)
    broken, missing = Counter[str](), list[Exported]()

    def damaged(error: Any) -> None:
        broken["manifests"] += 1
        warn(error)

    with open_store(settings.store, settings) as opened, Talk(doing="exporting") as talk:

        def heard(exported: Exported) -> None:
            if json:
                print_json(exported.as_json())
            talk.advance(exported.id)
            if exported.error:
                talk.say(printable(f"left out: {exported.error}"))

        ids = selected(opened, wanted, broken=damaged, missing=missing)
        if form == "bagit":
            report = export_bag(
                opened, ids, out, organization=settings.contact, missing=missing, force=force, heard=heard
            )
        else:
            report = export_markdown(opened, ids, out, missing=missing, force=force, heard=heard)
    for item in missing:
        talk.say(printable(f"left out: {item.error}"))
    if json:
        print_json(report.as_json())
    else:
        print(f"{report.bundles:,} bundles, {report.files:,} files, {report.size:,} bytes in {report.folder}")
    raise typer.Exit(0 if report.good and not broken else 1)


# ------------------------------------------------------------------ import
def import_(
    files: Annotated[list[Path], typer.Argument(help="WACZ or WARC files of any tool, or folders that are bags.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be taken; store nothing.")] = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Take files of other tools into the store: verified, each page cleaned and catalogued like our own."""
    from tasks.importing import import_files, open_bench
    from tasks.present import Talk, print_json, printable

    settings = load_settings(config, store=store)
    good = True
    with open_bench(settings, config_dirs(config), dry_run=dry_run) as bench, Talk(doing="importing") as talk:

        def heard(page: Any) -> None:
            print_json(page.as_json()) if json else print(printable(_page_line(page)), flush=True)
            talk.advance(page.url)

        for report in import_files(files, bench, heard=heard):
            good &= report.good
            print_json(report.as_json()) if json else print(printable(_file_lines(report, dry_run)), flush=True)
    raise typer.Exit(0 if good else 1)


def _page_line(page: Any) -> str:
    """What became of one page."""
    if page.error:
        return f"failed   {page.url}\n         {page.error}"
    reasons = f" ({', '.join(page.reasons)})" if page.reasons else ""
    head = f"{page.verdict:8} {page.title or page.url}{reasons}"
    kept = page.id or "not stored"
    again = "" if page.created or not page.id else ", was there already"
    return (
        f"{head}\n         {kept}  {page.words:,} words{again}\n         {page.url} at {page.captured_at}, {page.why}"
    )


def _file_lines(report: Any, dry_run: bool) -> str:
    """What became of one file, and what of it was left out."""
    if report.error:
        return f"{report.file}: REFUSED\n  {report.error}"
    failed = f", {report.failed:,} failed" if report.failed else ""
    left = ", ".join(f"{count:,} {reason}" for reason, count in sorted(report.reasons.items()))
    lines = [f"{report.file}: {report.pages:,} {'to be taken' if dry_run else 'taken'}{failed} ({report.format})"]
    lines += [f"  left out: {left}"] if left else []
    lines += [f"  {item.reason:20} {item.url}" for item in report.left[:20]]
    lines += [f"  {problem}" for problem in report.problems[:20]]
    return "\n".join(lines)
