"""The command line: parse, call one function, print, exit.

Exit 0 = all well; 1 = something not archived, not verified, or with a bad verdict; 2 = misuse.
"""

import io
import os
import re
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from flows import (
    cli_audit,
    cli_catalog,
    cli_diff,
    cli_doctor,
    cli_exchange,
    cli_key,
    cli_lake,
    cli_push,
    cli_replay,
    cli_retention,
    cli_up,
)
from flows.cli_common import (
    At,
    Config,
    Force,
    Json,
    RequireSignature,
    Store,
    Target,
    Track,
    Trusted,
    at_moment,
    day,
    heard,
    lines_of,
    stop_on_interrupt,
    warn,
)
from flows.cli_key import made_key_lines
from flows.cli_rules import rules_app
from flows.cli_watch import watch_app
from tasks import __version__, logs
from tasks.errors import PermanentError, RuleError, SettingsError, TearsheetError, UrlRefused
from tasks.settings import Settings, config_dirs, load_settings

app = typer.Typer(
    help="Archives article pages so that they can be read, replayed and proven years later.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(watch_app, name="watch")
app.add_typer(rules_app, name="rules")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"tearsheet {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    log_format: Annotated[
        Literal["auto", "text", "json"] | None,
        typer.Option(help="How stderr is written; auto: JSON where it is no terminal. [text]"),
    ] = None,
) -> None:
    """Archives article pages so that they can be read, replayed and proven years later."""
    logs.choose(log_format or "")


# ------------------------------------------------------------------ archive
@app.command(epilog="Example: tearsheet archive https://example.org/story --store s3://bucket/prefix")
def archive(
    urls: Annotated[list[str], typer.Argument(help="URLs; - reads them from stdin, one a line.")],
    store: Store = None,
    mode: Annotated[
        Literal["page", "requisites", "browser", "auto"] | None,
        typer.Option(
            help="page: that alone; requisites: and what it needs to be seen; browser: as Chromium draws it, with a "
            "screenshot; auto: browser where the page has scripts but no article. [requisites]"
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 also where requisites are missing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Store a bundle even where nothing changed or most words are gone.")
    ] = False,
    sign: Annotated[bool | None, typer.Option("--sign/--no-sign", help="Sign the bundles, or do not. [sign]")] = None,
    timestamp: Annotated[
        str | None, typer.Option("--timestamp", help="RFC 3161 server to stamp the signatures. [none]")
    ] = None,
    track: Track = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Capture, clean, pack, verify and store pages; one whose text is that of its latest version is noted instead."""
    settings = load_settings(config, store=store, mode=mode, sign=sign, timestamp_url=timestamp)
    tracked = track or bool(os.environ.get("PREFECT_API_URL"))
    total = None if "-" in urls else len(dict.fromkeys(urls))
    from tasks.present import Talk, outcome_line, print_json, summary_line

    counts: Counter[str] = Counter()
    all_good, stop = True, stop_on_interrupt()
    with Talk(total) as talk:
        for line in made_key_lines(settings):
            talk.say(line)
        talk.say("running as a Prefect flow" if tracked else "running without Prefect (--track records the run there)")
        archived = _track if tracked else _plain
        outcomes = archived(urls, settings, config, stop, force)
        for outcome in outcomes:
            counts[outcome.kind] += 1
            all_good &= outcome.good and not (strict and outcome.partial)
            print_json(outcome.as_json()) if json else print(outcome_line(outcome), flush=True)
            talk.advance(outcome.url)
        talk.say(summary_line(counts, stopped=stop.is_set()))
    raise typer.Exit(0 if all_good and counts and not stop.is_set() else 1)


def _plain(
    urls: list[str], settings: Settings, config: str | None, stop: threading.Event, force: bool
) -> Iterator[Any]:
    from tasks.many_pages import archive_pages
    from tasks.pipeline import open_tools

    with open_tools(settings, config_dirs(config), heard=heard()) as tools:
        yield from archive_pages(_each(urls), tools, stopped=stop.is_set, force=force)


def _track(
    urls: list[str], settings: Settings, config: str | None, stop: threading.Event, force: bool
) -> Iterator[Any]:
    """One flow run a URL, one after the other."""
    from flows.archive import archive_tracked

    if config:
        os.environ["TEARSHEET_CONFIG"] = config
    os.environ |= {"TEARSHEET_SIGN": str(settings.sign).lower(), "TEARSHEET_TIMESTAMP_URL": settings.timestamp_url}
    for url in _each(urls):
        if stop.is_set():
            return
        if url is None:
            time.sleep(_LOOK_EVERY_S)
        else:
            yield archive_tracked(url, settings.store, mode=settings.mode, force=force)


def _each(urls: list[str]) -> Iterator[str | None]:
    """The URLs of the arguments, those of stdin in place of -, each once; None where stdin has none just now."""
    seen = set()
    for argument in urls:
        for line in lines_of(sys.stdin) if argument == "-" else (argument,):
            url = line and line.removeprefix("\ufeff").strip()  # editors put a byte order mark before the first
            if url is None or (url and url not in seen):
                seen.add(url)
                yield url


_LOOK_EVERY_S = 0.1  # how soon a line of stdin, or Ctrl-C, is noticed


# ------------------------------------------------------------------ what is stored
@app.command(epilog="Example: tearsheet pull https://example.org/story --at 2026-03-01 -o copies")
def pull(
    target: Target,
    at: At = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder; the copy goes into <folder>/<id>/.")] = Path(),
    force: Force = False,
    require_signature: RequireSignature = False,
    trusted: Trusted = None,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Get a verified copy: WACZ, WARC, article files and time stamps."""
    from tasks.catalog import locate
    from tasks.present import print_json
    from tasks.proof import trust_of
    from tasks.retrieve import pull as pull_bundle
    from tasks.store import open_store

    settings, moment = load_settings(config, store=store), at_moment(at)
    with open_store(settings.store, settings) as opened:
        trust = trust_of(settings, trusted=trusted or (), required=require_signature)
        id_ = locate(opened, settings, target, moment, heard=heard())
        pulled = pull_bundle(opened, id_, out, force=force, trust=trust)
    if json:
        files = [str(path) for path in pulled.files]
        print_json({"id": pulled.id, "folder": str(pulled.folder), "files": files, "verified": True})
    else:
        print(f"{pulled.id}  verified, {len(pulled.files)} files in {pulled.folder}")
        print("\n".join(f"  {path.relative_to(pulled.folder)}" for path in pulled.files))


@app.command(epilog="Example: tearsheet show https://example.org/story --removed")
def show(
    target: Target,
    removed: Annotated[
        bool, typer.Option("--removed", help="Show the ledger: all that was taken out, and why.")
    ] = False,
    at: At = None,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Show a stored article, clean, in the terminal."""
    from tasks.catalog import locate
    from tasks.retrieve import fetched, read_shown
    from tasks.store import open_store

    settings, moment = load_settings(config, store=store), at_moment(at)
    with (
        open_store(settings.store, settings) as opened,
        fetched(opened, locate(opened, settings, target, moment, heard=heard())) as path,
    ):
        shown = read_shown(path)
    _print_shown(shown, removed=removed, json=json)


def _print_shown(shown: Any, *, removed: bool, json: bool) -> None:
    from tasks.present import ledger_lines, print_json

    if json and removed:
        for removal in shown.removals:
            print_json(removal)
    elif json:
        print_json({"id": shown.id, "metadata": shown.metadata, "markdown": shown.markdown, "text": shown.text})
    elif removed:
        print("\n".join(ledger_lines(shown.removals)))
    else:
        none = "This capture has no article; `tearsheet pull` gives the original."
        _print_markdown(shown.heading + (shown.markdown or none))


def _print_markdown(text: str) -> None:
    """Rendered on a terminal, as it is elsewhere."""
    from rich.console import Console
    from rich.markdown import Markdown

    from tasks.present import printable

    console = Console()
    console.print(Markdown(printable(text))) if console.is_terminal else print(text)


# ------------------------------------------------------------------ files
@app.command(epilog="Example: tearsheet clean saved.html --url https://example.org/story --format text")
def clean(
    file: Annotated[str, typer.Argument(help="An HTML file; - reads stdin.")] = "-",
    url: Annotated[str, typer.Option(help="Where the page is from; links become absolute.")] = "",
    form: Annotated[Literal["markdown", "text", "html"], typer.Option("--format", help="What to print.")] = "markdown",
    removed: Annotated[bool, typer.Option("--removed", help="Print the ledger instead.")] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help='Read JSON lines {"id","url","html"}; print JSON lines.')
    ] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Clean a saved page without archiving it."""
    from tasks.cleaning import batch_lines, clean_file, cleaned_json
    from tasks.present import ledger_lines, print_json

    settings = load_settings(config)
    dirs = config_dirs(config)
    if batch:
        failed = batch_lines(file, sys.stdout, dirs=dirs, thin_words=settings.thin_words)
        raise typer.Exit(1 if failed else 0)
    cleaned = clean_file(file, url=url, dirs=dirs, thin_words=settings.thin_words)
    if json:
        print_json(cleaned_json(cleaned))
    elif removed:
        print("\n".join(ledger_lines(cleaned.article.removals)))
    elif form == "markdown":
        _print_markdown(cleaned.article.markdown)
    else:
        print(cleaned.article.text if form == "text" else cleaned.article.html)
    if cleaned.verdict != "ok":
        logs.say(f"{cleaned.verdict}: {cleaned.article.words} words of article")
    raise typer.Exit(0 if cleaned.verdict == "ok" else 1)


@app.command(epilog="Example: tearsheet explain saved.html --fate removed --limit 20 --html why.html")
def explain(
    target: Annotated[str, typer.Argument(help="An HTML file, a WACZ, a bundle's id or a URL; - reads stdin.")],
    order: Annotated[Literal["doubt", "page"], typer.Option(help="The most doubtful first, or as on the page.")] = (
        "doubt"
    ),
    concept: Annotated[str | None, typer.Option(help="Only texts removed as this, such as promo.")] = None,
    fate: Annotated[
        Literal["article", "caption", "removed"] | None, typer.Option(help="Only texts that ended so.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many texts.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the whole page, marked, into this file as well.")] = None,
    force: Force = False,
    url: Annotated[str, typer.Option(help="Where the page of an HTML file is from: rules may be for its host.")] = "",
    stored: Annotated[bool, typer.Option("--stored", help="Of a URL, the newest good bundle in the store.")] = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Show what became of each text of a page, what decided it, and how near the decision was."""
    from tasks.explaining import explain_target
    from tasks.explaining.lines import chosen, print_spans, span_json
    from tasks.explaining.page import save_page
    from tasks.present import print_json

    settings = load_settings(config, store=store)
    explained = explain_target(target, settings, config_dirs(config), url=url, stored=stored, broken=warn)
    spans = chosen(explained.explanation, by_doubt=order == "doubt", concept=concept, fate=fate)[:limit]
    if json:
        for span in spans:
            print_json(span_json(span))
    else:
        print_spans(spans, explained.explanation, as_decisions=order == "doubt")
    if html:
        save_page(html, explained.explanation, source=explained.source, notes=explained.notes, force=force)
    for note in (*explained.notes, *([f"written to {html}"] if html else [])):
        logs.say(f"{explained.source}: {note}")
    raise typer.Exit(0 if explained.good else 1)


@app.command(epilog="Example: tearsheet verify story.wacz --trusted desk.pub.pem --require-signature")
def verify(
    targets: Annotated[list[str], typer.Argument(help="WACZ or WARC files, or ids of stored bundles.")],
    level: Annotated[Literal["structure", "fixity", "full"], typer.Option(help="How deep to look.")] = "full",
    require_signature: RequireSignature = False,
    trusted: Trusted = None,
    timestamp_ca: Annotated[
        str | None, typer.Option("--timestamp-ca", help="PEM file: authorities whose time stamps count.")
    ] = None,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Find every problem of any WACZ or WARC, and say what its signature and time stamps prove."""
    from tasks.proof import trust_of
    from tasks.retrieve import examine_target

    settings = load_settings(config, store=store, timestamp_ca=timestamp_ca)
    trust = trust_of(settings, trusted=trusted or (), required=require_signature)
    sound = True
    for target in targets:
        try:
            problems, proof = examine_target(target, settings, level, trust)
        except TearsheetError as error:  # one that cannot be read never hides the others
            logs.say(f"tearsheet: {error}", level="error", code=error.code)
            sound = False
            continue
        sound &= _print_examined(target, level, problems, proof, json=json)
    raise typer.Exit(0 if sound else 1)


def _print_examined(target: str, level: str, problems: Any, proof: Any, *, json: bool) -> bool:
    """What was found; whether it is sound."""
    from tasks.bundle.verify import is_sound
    from tasks.present import print_json, printable

    good = is_sound(problems)
    if json:
        rows = [
            {"code": p.code, "place": p.place, "expected": p.expected, "found": p.found, "severity": p.severity}
            for p in problems
        ]
        print_json({"target": target, "sound": good, "level": level, "problems": rows, **proof.as_json()})
    else:
        print(f"{target}: {'sound' if good else 'NOT SOUND'} ({level})")
        lines = [*map(str, problems), *proof.lines()]
        print("".join(f"  {printable(line)}\n" for line in lines), end="")
    return good


# ------------------------------------------------------------------ clean anew
@app.command(epilog="Example: tearsheet reclean --all --host courier.example --dry-run --diff")
def reclean(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of stored bundles.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All captures of the store.")] = False,
    host: Annotated[str, typer.Option(help="With --all: only this host and its sub-domains.")] = "",
    since: Annotated[str | None, typer.Option(help="With --all: captured on this day (UTC) or later.")] = None,
    until: Annotated[str | None, typer.Option(help="With --all: captured on this day (UTC) or earlier.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare only; store nothing.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what changed in the text, word by word.")] = False,
    runner: Annotated[
        str | None,
        typer.Option(
            help="thread, process, dask or dask:tcp://host:8786, a cluster's scheduler; dask runs as a Prefect flow. "
            "[process; thread for a few bundles]"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads or processes. [as many as there are processors]")
    ] = None,
    track: Track = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Clean stored pages anew with the rules of now, without network; store a derived bundle where that changes any."""
    from flows.reclean_run import Wanted, run_reclean

    if bool(ids) == every or ((host or since or until) and not every):
        raise typer.BadParameter("name ids, or --all, which --host, --since and --until narrow")
    if runner and not re.fullmatch(r"thread|process|dask(:(tcp|tls)://\S+)?", runner):
        raise typer.BadParameter("write thread, process, dask or dask:tcp://host:8786", param_hint="--runner")
    tracked = track or (runner or "").startswith("dask") or bool(os.environ.get("PREFECT_API_URL"))
    if diff and tracked:
        raise typer.BadParameter("--diff works without Prefect only: unset PREFECT_API_URL, leave --track and dask")
    wanted = Wanted(tuple(ids) if ids else None, host, day(since), day(until), dry_run, diff, runner, workers)
    settings = load_settings(config, store=store)
    report = run_reclean(
        wanted, settings, config_dirs(config), tracked=tracked, json=json, stop=stop_on_interrupt(), config=config
    )
    raise typer.Exit(0 if report.good else 1)


# ------------------------------------------------------------------ scheduled
@app.command(epilog="Example: PREFECT_API_URL=http://127.0.0.1:4200/api tearsheet serve")
def serve(
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait for a server that does not answer yet.")] = 0,
    metrics: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port on loopback for Prometheus metrics. [none]")
    ] = None,
    store: Store = None,
    config: Config = None,
) -> None:
    """Serve the deployments archive/, audit/, reclean/, publish/default and watch/<name> to a Prefect server."""
    if config:
        os.environ["TEARSHEET_CONFIG"] = config
    if store:
        os.environ["TEARSHEET_STORE"] = store
    load_settings(config, store=store)
    logs.hand_on()
    from flows.deployments import serve as serve_all

    serve_all(wait_s=wait, metrics_port=metrics)


@app.command(epilog="Example: tearsheet demo -o /tmp/demo")
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the pulled copy goes.")] = Path("tearsheet-demo"),
    config: Config = None,
) -> None:
    """Archive a sample article offline, into a real local S3 server, and pull it back."""
    from tasks.demo import run_demo
    from tasks.present import Talk, outcome_line

    talk = Talk()
    shown = run_demo(load_settings(config), config_dirs(config), out, say=talk.say)
    print(outcome_line(shown.outcome))
    print(f"\n--- the clean article\n\n{shown.outcome.text}\n")
    print("--- what was removed, in characters\n")
    for concept, chars in sorted(shown.outcome.removed.items()):
        print(f"  {concept:14} {chars:6,}")
    print(f"\nverified copy: {shown.pulled.folder}")
    print("\n".join(f"  {path.relative_to(shown.pulled.folder)}" for path in shown.pulled.files))


# After the commands of this file, which `--help` lists first.
for area in (cli_catalog, cli_diff, cli_audit, cli_retention, cli_exchange, cli_key, cli_push, cli_up, cli_doctor):
    area.add_commands(app)
cli_lake.add_commands(cli_catalog.catalog_app)
cli_replay.add_commands(app)


def main() -> NoReturn:
    """Run the command line; an error of ours ends it with one plain line and exit code 1, or 2 for misuse."""
    _take_any_text()
    try:
        try:
            app()
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except (SettingsError, RuleError, UrlRefused) as error:
        _end(error, 2)
    except TearsheetError as error:
        _end(error, 1)
    except BrokenPipeError:  # the reader of our output went away
        _drop_output()
        sys.exit(1)
    except OSError as error:  # a path that cannot be used, or no room where our output goes
        _drop_output()
        where, what = error.filename or "output", error.strerror or error
        _end(PermanentError(str(what), where=str(where), remedy="See to that place and run the same again"), 1)
    except Exception as error:  # a mistake of ours: told whole, on one line where a program reads
        if not logs.as_json():
            raise
        told = "".join(traceback.format_exception(error))
        logs.say(f"{type(error).__name__}: {error}", level="critical", code="unexpected", traceback=told)
        sys.exit(1)
    sys.exit(0)


def _take_any_text() -> None:
    """No text ends the program: pages hold what a terminal's encoding lacks, arguments bytes that are no UTF-8."""
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _drop_output() -> None:
    """What is still to be written goes nowhere, so that the end of the program does not fail over it again."""
    if sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(error: TearsheetError, status: int) -> NoReturn:
    logs.say(f"tearsheet: {error}", level="error", code=error.code)
    sys.exit(status)


if __name__ == "__main__":
    main()
