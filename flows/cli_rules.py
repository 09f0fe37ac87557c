"""`tearsheet rules`: check, test, why and list, for those who write rules."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli_common import Config, Json, Store
from tasks import logs
from tasks.errors import TearsheetError
from tasks.settings import config_dirs, load_settings

if TYPE_CHECKING:
    from tasks.clean.rules import Rule
    from tasks.ruling import Checked, Fired, Use

rules_app = typer.Typer(help="Cleaning rules: yours and ours.", no_args_is_help=True, rich_markup_mode=None)

Url = Annotated[str, typer.Option("--url", help="Where a saved page is from: site rules need its host.")]


@rules_app.command(epilog="Example: tearsheet rules check saved/ --url https://courier.example/")
def check(
    pages: Annotated[
        list[str] | None,
        typer.Argument(help="HTML files, folders, .jsonl batches, bundles: files, ids or URLs; none: files alone."),
    ] = None,
    url: Url = "",
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Check all rule files in force, and what their rules do on pages; with --store alone, on all bundles there."""
    from tasks.present import print_json
    from tasks.ruling import check_rules, saved_pages

    settings, failed = load_settings(config, store=store), list[TearsheetError]()
    found = saved_pages(pages or (), settings, url=url, stored=store is not None, broken=failed.append)
    checked = check_rules(config_dirs(config), found, today=datetime.now(UTC).date())
    checked.problems += [str(error) for error in failed]
    if json:
        print_json(_checked_json(checked))
    else:
        _print_checked(checked)
    raise typer.Exit(1 if checked.problems else 0)


def _checked_json(checked: "Checked") -> dict[str, Any]:
    return {
        "files": checked.files,
        "rules": checked.rules,
        "pages": checked.pages,
        "problems": checked.problems,
        "notes": checked.notes,
        "uses": [
            {
                "rule": use.rule.id,
                "pages": use.pages,
                "chars": use.chars,
                "left_out": use.left_out,
                "unmet": use.unmet,
                "spared": dict(sorted(use.spared.items())),
                "dead": use.dead,
            }
            for use in checked.uses
        ],
    }


def _print_checked(checked: "Checked") -> None:
    from tasks.present import printable

    print(f"{checked.rules} rules in {checked.files} files, {len(checked.problems)} problems")
    for line in checked.problems:
        print(printable(f"  problem: {line}"))
    for line in checked.notes:
        print(printable(f"  note: {line}"))
    if not checked.uses:
        return
    print(f"\n{checked.pages} pages")
    print(f"{'rule':32} {'pages':>6} {'chars':>8} {'left out':>9}  held back by")
    for use in sorted(checked.uses, key=lambda one: (-one.chars, one.rule.id)):
        if not use.dead or use.unmet:
            print(f"{use.rule.id:32} {use.pages:6,} {use.chars:8,} {use.left_out:9,}  {_held(use)}".rstrip())
    dead = [use.rule.id for use in checked.uses if use.dead and not use.unmet]
    if dead:
        print(f"\nmeant nothing on these pages: {', '.join(dead)}")


def _held(use: "Use") -> str:
    parts = [f"{guard} {times}" for guard, times in sorted(use.spared.items())]
    return ", ".join([*parts, *([f"body unmet on {use.unmet}"] if use.unmet else [])])


@rules_app.command("test", epilog="Example: tearsheet rules test config/sites/courier.example.toml")
def try_examples(
    file: Annotated[str, typer.Argument(help="A rule file, or all: every rule in force.")],
    json: Json = False,
    config: Config = None,
) -> None:
    """Try the examples of rules: each of `fires` must lose something, each of `spares` nothing."""
    from tasks.present import print_json, printable
    from tasks.ruling import as_json, chosen_rules, prove

    rules = chosen_rules(file, config_dirs(config))
    proofs = prove(rules)
    for proof in proofs:
        if json:
            print_json(as_json(proof))
        elif not proof.holds:
            held = f" (held back by {proof.guard})" if proof.guard else ""
            print(printable(f"{proof.where}: rule {proof.rule}: {proof.kind} does not hold{held}: {proof.fragment}"))
    failed = sum(not proof.holds for proof in proofs)
    bare = [rule.id for rule in rules if not (rule.fires and rule.spares)]
    logs.say(f"{len(proofs)} examples of {len(rules) - len(bare)} rules, {failed} fail")
    if bare and file != "all":
        logs.say(f"without fires or spares: {', '.join(bare)}")
    raise typer.Exit(1 if failed or not proofs else 0)


@rules_app.command(epilog="Example: tearsheet rules why saved.html --url https://courier.example/story")
def why(
    page: Annotated[str, typer.Argument(help="An HTML file, - for stdin, a bundle (file or id), or a stored URL.")],
    url: Url = "",
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Show each rule that looked at something on a page: what it took, or which guard held it back."""
    from tasks.clean import load_rules
    from tasks.present import print_json
    from tasks.ruling import as_json, saved_pages
    from tasks.ruling import why as why_page

    settings, rules = load_settings(config, store=store), load_rules(config_dirs(config))
    found = [one for saved in saved_pages([page], settings, url=url, broken=_raise) for one in why_page(saved, rules)]
    for one in found:
        print_json(as_json(one)) if json else print(_fired_line(one))
    logs.say(f"{sum(one.fate == 'fired' for one in found)} removals by rules")


def _raise(error: TearsheetError) -> None:
    raise error


def _fired_line(one: "Fired") -> str:
    from tasks.present import printable

    fate = one.fate if one.fate in ("fired", "left out", "unmet") else f"held back by {one.fate}"
    text = one.text if len(one.text) <= 90 else one.text[:89] + "…"
    return printable(f"{one.rule:28} {fate:22} {one.chars:6,}  {text}\n{'':28} {one.path}")


@rules_app.command("list", epilog="Example: tearsheet rules list --json")
def list_(json: Json = False, config: Config = None) -> None:
    """List the rules in force, with where each of them stands."""
    from tasks.clean import load_rules
    from tasks.present import print_json, printable

    for rule in load_rules(config_dirs(config)).rules:
        row = _rule_json(rule)
        if json:
            print_json(row)
        else:
            print(printable(f"{rule.concept:12} {rule.id:28} {', '.join(row['finds']):16} {rule.why}  {rule.where}"))


def _rule_json(rule: "Rule") -> dict[str, Any]:
    names: Sequence[str] = ("selector", "text", "lines", "same_as", "body", "strip", "keep")
    return {
        "id": rule.id,
        "concept": rule.concept,
        "why": rule.why,
        "finds": [name for name in names if getattr(rule, name)],
        "languages": list(rule.languages),
        "unless": list(rule.unless),
        "sites": list(rule.sites),
        "valid_from": rule.valid_from or None,
        "valid_until": rule.valid_until or None,
        "where": rule.where,
    }
