"""README tells all of the commands, settings and rule fields, and its examples work.

Shell blocks (`sh`): every `tearsheet` line must be one that the command line understands. Blocks marked `console` are
run as well: each `$ ` line in a folder that holds the README's example files alone, without a network, and must end
well; the lines after it are its output, where … stands for anything. Python blocks are run on a page and a file of our
own.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from flows.cli import app
from tasks.clean.rules import GUARDS, SAME_AS, Rule
from tasks.prefect_api import LOST_AUTOMATION
from tasks.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DERIVED_FIELDS = {"compounds", "pattern", "phrases", "where"}  # made from the others, not written in a rule file


# ------------------------------------------------------------------ what there is
def commands(command: Any, path: tuple[str, ...] = ("tearsheet",)) -> Iterator[tuple[str, Any]]:
    """Full name and command of everything below a command that can be run."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
    else:
        for name, child in inner.items():
            yield from commands(child, (*path, name))


# typer brings a click of its own in some releases: the class that all errors of either one share.
CLICK_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
COMMANDS = dict(commands(typer.main.get_command(app)))


# ------------------------------------------------------------------ checks
def untold_commands(text: str, names: list[str]) -> list[str]:
    """Commands that no code in a text names."""
    code = re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S)
    code += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    return [name for name in names if not any(re.search(rf"{name}\b(?!-)", part) for part in code)]


def untold_settings(text: str, defaults: dict[str, Any]) -> list[str]:
    """Settings without a table row `| key | default | effect |` that holds key, default and some words."""
    found = []
    for key, default in defaults.items():
        row = re.search(rf"^\| *`{key}` *\|([^|]*)\|(.*)\|\s*$", text, re.M)
        shown = "" if default in ("", []) else str(default).lower() if isinstance(default, bool) else str(default)
        if not row or shown.strip("[]'") not in row[1].replace('"', "").replace("`", "") or len(row[2].split()) < 2:
            found.append(key)
    return found


def untold_words(text: str, words: list[str]) -> list[str]:
    """Words that a text does not hold as code."""
    return [word for word in words if f"`{word}`" not in text]


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


JOINTS = ("&&", "||", "|", "&", ";", ">", "<")


def tearsheet_lines(text: str) -> list[list[str]]:
    """The arguments of each `tearsheet` command in shell code."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words:
            stop = next(
                (n for n, word in enumerate(words) if word in ("&&", "||", "|", "&", ";", ">", "<")), len(words)
            )
            simple, words = words[:stop], words[stop + 1 :]
            while simple and re.fullmatch(r"[A-Z_0-9]+=.*", simple[0]):
                simple = simple[1:]
            if simple and Path(simple[0]).name == "tearsheet":
                found.append(simple[1:])
    return found


def misuse(args: list[str]) -> str:
    """What the command line has against these arguments, or the empty string; nothing is run."""
    try:
        command: Any = typer.main.get_command(app)
        context, name = None, "tearsheet"
        while True:
            context = command.make_context(name, list(args), parent=context)
            if not hasattr(command, "resolve_command"):
                return ""
            name, command, args = command.resolve_command(context, [*context._protected_args, *context.args])
    except typer.Exit as error:  # --help, --version
        return "" if error.exit_code == 0 else str(error)
    except CLICK_ERROR as error:
        return str(error) or type(error).__name__


# ------------------------------------------------------------------ README
def test_every_command_is_told():
    assert untold_commands(README, list(COMMANDS)) == []


def test_every_setting_is_told_with_its_default():
    defaults = tomllib.loads((ROOT / "config" / "settings.toml").read_text(encoding="utf-8"))
    assert untold_settings(README, {item.name: defaults[item.name] for item in fields(Settings)}) == []


def test_every_field_and_guard_of_a_rule_is_told():
    names = [item.name for item in fields(Rule) if item.name not in DERIVED_FIELDS]
    assert untold_words(README, [*names, *GUARDS, *SAME_AS]) == []


def test_nothing_is_left_to_fill_in():
    assert re.findall(r"@@\w+@@|TODO|TBD|FIXME", README) == []


def test_the_automation_for_lost_runs_is_the_one_that_up_makes():
    (shown,) = (
        json.loads(block) for block in blocks(README, "json") if "automations" in README.partition(block)[0][-400:]
    )
    made = {name: value for name, value in LOST_AUTOMATION.items() if name != "description"}
    assert shown == made


def test_links_to_files_lead_somewhere():
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("args", tearsheet_lines("\n".join(blocks(README, "(?:sh|console)"))), ids=" ".join)
def test_shell_examples_are_understood(args):
    assert misuse(args) == ""


def example_files() -> dict[str, str]:
    """Name and text of each block that names a file in its first line: # config/… or <!-- … -->."""
    found = [re.match(r"(?:# (config/\S+)|<!-- (\S+) -->)$", text.partition("\n")[0]) for text in _files()]
    return {name[1] or name[2]: text for name, text in zip(found, _files(), strict=True) if name}


def _files() -> list[str]:
    return blocks(README, "(?:toml|html)")


def test_the_example_files_are_found():
    assert list(example_files()) == ["config/rules/promo.toml", "saved.html", "config/sites/courier.example.toml"]


def console_examples() -> list[tuple[str, str]]:
    """Command and expected output of each `$ ` line in the console blocks."""
    return [
        (command, output)
        for block in blocks(README, "console")
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)
    ]


@pytest.mark.parametrize(("command", "output"), console_examples())
def test_console_examples_give_what_they_show(tmp_path, command, output):
    for name, text in example_files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    ran = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, env=_quiet(), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    pattern = re.escape(output.strip()).replace("…", ".*")
    assert not output.strip() or re.search(pattern, ran.stdout, re.S)


@pytest.mark.parametrize("code", blocks(README, "python"))
def test_python_examples_run(tmp_path, code):
    (tmp_path / "saved.html").write_text("<title>Ferry</title><h1>Ferry</h1><p>The ferry sails again today.</p>")
    (tmp_path / "story.wacz").write_bytes(b"not a zip")
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=_quiet(), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def _quiet() -> dict[str, str]:
    """An environment in which `tearsheet` is found and nothing of the user's is."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TEARSHEET_", "PREFECT_", "AWS_"))
    }
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


# ------------------------------------------------------------------ --help
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps_with_a_sentence_and_an_example_that_works(name):
    command = COMMANDS[name]
    assert command.help
    assert command.help.strip().endswith(".")
    assert (command.epilog or "").startswith("Example: ")
    (args,) = tearsheet_lines(command.epilog.removeprefix("Example: "))
    assert misuse(args) == ""
    assert " ".join(["tearsheet", *args]).startswith(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_helps(name):
    assert [param.name for param in COMMANDS[name].params if not getattr(param, "help", None)] == []


# ------------------------------------------------------------------ the checks can say no
def test_a_command_that_is_not_told_is_named():
    text = "Use `tearsheet list` and tearsheet show, or `tearsheet listing`."
    assert untold_commands(text, ["tearsheet list", "tearsheet show"]) == ["tearsheet show"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("| `workers` | 8 | captures at once |", True),
        ("| `workers` | `8` | captures at once |", True),
        ("| `workers` | 9 | captures at once |", False),
        ("| `workers` | 8 | |", False),
        ("| workers | 8 | captures at once |", False),
        ("| `workers_max` | 8 | captures at once |", False),
    ],
)
def test_a_setting_that_is_not_told_rightly_is_named(row, told):
    assert untold_settings(f"| key | default | effect |\n{row}\n", {"workers": 8}) == ([] if told else ["workers"])


def test_a_list_and_an_empty_default_are_told_as_readers_write_them():
    rows = "| `ports` | `[80, 443]` | which ports |\n| `allow` | | exact pairs |\n| `x` | empty | some effect |"
    assert untold_settings(rows, {"ports": [80, 443], "allow": [], "x": ""}) == []


def test_a_word_that_is_not_told_is_named():
    assert untold_words("`selector` and text", ["selector", "text"]) == ["text"]


@pytest.mark.parametrize(
    ("line", "args"),
    [
        ("tearsheet list --json", [["list", "--json"]]),
        ("$ A=b .venv/bin/tearsheet serve &   # talk", [["serve"]]),
        ("pip install . && tearsheet demo", [["demo"]]),
        ("tearsheet archive \\\n  -", [["archive", "-"]]),
        ("prefect server start", []),
    ],
)
def test_tearsheet_lines_are_found_in_shell_code(line, args):
    assert tearsheet_lines(line) == args


@pytest.mark.parametrize(
    "args", [["lits"], ["list", "--jsno"], ["archive", "--mode", "x", "u"], ["watch", "stop"], ["archive"]]
)
def test_a_line_that_the_command_line_does_not_understand_is_seen(args):
    assert misuse(args)


def test_the_whole_command_line_is_understood():
    assert misuse(["watch", "run", "courier", "--store", "s3://bucket/prefix"]) == ""
    assert misuse(["--version"]) == ""
