"""The command line as a user meets it: real processes, a tough server, exit codes and plain messages."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.demo import SITE, serving
from tasks.present import printable
from tasks.store.local import LocalS3
from tests.hostile.tough_server import ToughServer

PAGE = "/library-roof.html"


def environment(allow: str = "", **more: str) -> dict[str, str]:
    dropped = ("PREFECT_API_URL", "AWS_PROFILE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TEARSHEET_") and key not in dropped}
    return {**kept, "TEARSHEET_ALLOW": allow, "TEARSHEET_RETRY_WAIT_S": "0.01", **more}


def tearsheet(
    *args: str, allow: str = "", stdin: str = "", cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", *args]
    return subprocess.run(
        command, env=environment(allow, **more), input=stdin, capture_output=True, text=True, cwd=cwd, timeout=120
    )


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serving(SITE) as pair:
        yield pair


@pytest.fixture(scope="module")
def tough() -> Iterator[ToughServer]:
    with ToughServer() as server:
        yield server


def archived(site: str, store: Path) -> dict[str, Any]:
    done = tearsheet("archive", f"http://{site}{PAGE}", "--store", str(store), "--json", allow=site)
    assert done.returncode == 0, done.stderr
    row: dict[str, Any] = json.loads(done.stdout)
    return row


# ------------------------------------------------------------------ the main job
def test_a_page_goes_in_and_comes_back_verified(site: str, tmp_path: Path) -> None:
    store, url = tmp_path / "store", f"http://{site}{PAGE}"
    row = archived(site, store)
    out = tmp_path / "out"
    pulled = tearsheet("pull", url, "--store", str(store), "-o", str(out), "--json")

    assert row["verdict"] == "ok"
    assert row["created"] is True
    assert json.loads(pulled.stdout)["id"] == row["id"]
    assert "head librarian, Oskar Brandt" in (out / row["id"] / "article.txt").read_text()
    assert "Become a member" not in (out / row["id"] / "article.txt").read_text()
    assert tearsheet("verify", str(out / row["id"] / f"{row['id']}.wacz")).returncode == 0
    assert tearsheet("verify", row["id"], "--store", str(store)).returncode == 0


def test_archive_json_has_every_promised_field(site: str, tmp_path: Path) -> None:
    promised = "url final_url verdict reasons id version created title words removed_chars requisites bytes key"

    assert {*promised.split(), "elapsed_s", "problems"} <= set(archived(site, tmp_path))


def test_show_prints_the_article_and_the_ledger(site: str, tmp_path: Path) -> None:
    row = archived(site, tmp_path)
    article = tearsheet("show", row["id"], "--store", str(tmp_path))
    ledger = tearsheet("show", row["id"], "--store", str(tmp_path), "--removed")

    assert article.stdout.startswith("# Town library saves its leaking roof\n\nMara Lindqvist · 2026-03-14 · http://")
    assert "> The buckets are for sale." in article.stdout
    assert "Become a member" in ledger.stdout
    assert "Become a member" not in article.stdout


def test_list_shows_what_is_there(site: str, tmp_path: Path) -> None:
    row = archived(site, tmp_path)
    listed = tearsheet("list", "--store", str(tmp_path), "--json")

    assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == [row["id"]]


def test_one_damaged_manifest_is_named_and_hides_no_other(site: str, tmp_path: Path) -> None:
    store, url = tmp_path / "store", f"http://{site}{PAGE}"
    row = archived(site, store)
    damaged = store / "v1" / "bundles" / "2026" / "01" / "01" / "20260101000000-0123456789abcdef.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    listed = tearsheet("list", "--store", str(store), "--json")
    pulled = tearsheet("pull", url, "--store", str(store), "-o", str(tmp_path / "o"))

    assert (listed.returncode, pulled.returncode) == (1, 0)
    assert json.loads(listed.stdout)["id"] == row["id"]
    assert damaged.name in listed.stderr
    assert damaged.name in pulled.stderr


def test_pull_never_overwrites_without_force(site: str, tmp_path: Path) -> None:
    row = archived(site, tmp_path / "s")
    args = ("pull", row["id"], "--store", str(tmp_path / "s"), "-o", str(tmp_path / "o"))

    assert tearsheet(*args).returncode == 0
    again = tearsheet(*args)
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert tearsheet(*args, "--force").returncode == 0


def test_many_urls_come_from_stdin_and_one_failure_stops_none(tough: ToughServer, tmp_path: Path) -> None:
    urls = [tough.url("/plain"), "http://10.0.0.1/", tough.url("/404"), tough.url("/gzip"), tough.url("/plain")]
    done = tearsheet("archive", "-", "--store", str(tmp_path), "--json", allow=tough.pair, stdin="\n".join(urls))
    rows = {row["url"]: row["verdict"] for row in map(json.loads, done.stdout.splitlines())}

    assert done.returncode == 1
    assert rows == {urls[0]: "ok", urls[1]: "error", urls[2]: "error", urls[3]: "ok"}
    assert "4 URLs: 1 error, 1 failed, 2 ok" in done.stderr


def test_the_demo_runs_offline(tmp_path: Path) -> None:
    done = tearsheet("demo", "-o", str(tmp_path / "copy"))

    assert done.returncode == 0, done.stderr
    assert "Oskar Brandt" in done.stdout
    assert "promo" in done.stdout
    assert len(list((tmp_path / "copy").glob("*/*.wacz"))) == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_what_is_under_way_finish(sent: signal.Signals, tough: ToughServer, tmp_path: Path) -> None:
    urls = "\n".join([tough.url("/slow"), *(tough.url(f"/number/{n}") for n in range(400))])
    errors_file = (tmp_path / "errors").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "archive", "-", "--store", str(tmp_path / "store"), "--json"],
        env=environment(tough.pair),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors_file,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with errors_file, process.stdin, process.stdout:
        process.stdin.write(urls)
        process.stdin.close()
        first = process.stdout.readline()
        process.send_signal(sent)
        rest = process.stdout.readlines()
    process.wait(timeout=60)
    errors = (tmp_path / "errors").read_text()
    ids = {json.loads(line)["id"] for line in [first, *rest]}

    assert process.returncode == 1
    assert "stopped before the rest" in errors
    assert 0 < len(ids) < 400
    assert {path.stem for path in (tmp_path / "store").glob("v1/bundles/*/*/*/*.json")} == ids


def test_a_program_that_keeps_stdin_open_hears_of_each_page_and_a_signal_ends_it(
    tough: ToughServer, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "archive", "-", "--store", str(tmp_path / "store"), "--json"],
        env=environment(tough.pair),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    hang = threading.Timer(60, process.kill)
    hang.start()
    assert process.stdin
    assert process.stdout
    with process.stdin, process.stdout:
        told = []
        for number in range(2):
            process.stdin.write(tough.url(f"/number/{number}\n"))
            process.stdin.flush()
            told.append(json.loads(process.stdout.readline())["url"])
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    hang.cancel()

    assert told == [tough.url("/number/0"), tough.url("/number/1")]
    assert process.returncode == 1


# ------------------------------------------------------------------ clean anew
RECLEAN_RULE = '[[rule]]\nid = "gutters"\ntext = "^the copper gutters"\nwhy = "about gutters"\n'


def own_rules(folder: Path) -> str:
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "promo.toml").write_text(RECLEAN_RULE)
    return str(folder)


def test_a_stored_page_is_cleaned_anew_and_found_by_its_url(site: str, tmp_path: Path) -> None:
    store, config = str(tmp_path / "store"), own_rules(tmp_path / "mine")
    row = archived(site, tmp_path / "store")
    same = tearsheet("reclean", row["id"], "--store", store)
    tried = tearsheet("reclean", "--all", "--store", store, "--config", config, "--dry-run", "--diff")
    done = tearsheet("reclean", row["id"], "--store", store, "--config", config, "--json", "--diff")
    found = json.loads(done.stdout)

    assert (same.returncode, same.stdout) == (0, f"unchanged  {row['id']}\n")
    assert "running without Prefect" in same.stderr
    assert tried.returncode == 0, tried.stderr
    assert f"changed    {row['id']} → not stored  +0 −6 words" in tried.stdout
    assert "[-The copper gutters follow in April.-]" in tried.stdout
    assert (found["status"], found["created"], found["words_removed"]) == ("changed", True, 6)
    assert ["removed", "The copper gutters follow in April.\n"] in found["diff"]
    shown = tearsheet("show", row["url"], "--store", store, "--json")
    assert json.loads(shown.stdout)["id"] == found["new_id"]
    listed, every = (tearsheet("list", *more, "--store", store, "--json").stdout for more in ((), ("--all",)))
    assert [json.loads(line)["id"] for line in listed.splitlines()] == [found["new_id"]]
    assert {json.loads(line)["id"] for line in every.splitlines()} == {row["id"], found["new_id"]}


def test_many_bundles_are_cleaned_in_processes_and_one_bad_one_stops_none(tough: ToughServer, tmp_path: Path) -> None:
    urls = "\n".join(tough.url(f"/number/{number}") for number in range(25))
    tearsheet("archive", "-", "--store", str(tmp_path), allow=tough.pair, stdin=urls)
    wacz = sorted(tmp_path.glob("v1/bundles/*/*/*/*.wacz"))
    assert len(wacz) == 25
    wacz[3].write_bytes(wacz[3].read_bytes()[:-1])
    done = tearsheet("reclean", "--all", "--store", str(tmp_path), "--json", "--workers", "2")
    rows = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 1
    assert "process workers: 2" in done.stderr
    assert "25 bundles: 24 unchanged, 1 problem" in done.stderr
    assert [row["id"] for row in rows if row["status"] == "problem"] == [wacz[3].stem]
    assert {row["id"] for row in rows} == {path.stem for path in wacz}


def test_an_interrupted_reclean_says_how_to_go_on(tough: ToughServer, tmp_path: Path) -> None:
    urls = "\n".join(tough.url(f"/number/{number}") for number in range(60))
    tearsheet("archive", "-", "--store", str(tmp_path / "s"), allow=tough.pair, stdin=urls)
    with (tmp_path / "errors").open("w") as errors_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "reclean", "--all", "--store", str(tmp_path / "s"), "--workers", "1"],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=errors_file,
            text=True,
            start_new_session=True,
        )
        assert process.stdout
        with process.stdout:
            first = process.stdout.readline()
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process of the group
            rest = process.stdout.readlines()
        process.wait(timeout=60)
    errors = (tmp_path / "errors").read_text()

    assert process.returncode == 1
    assert "stopped before the rest: the same command does it" in errors
    assert "Traceback" not in errors
    assert 0 < len([first, *rest]) < 60


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "name ids, or --all"),
        (("--all", "20260101000000-0123456789abcdef"), "name ids, or --all"),
        (("20260101000000-0123456789abcdef", "--host", "a.example"), "name ids, or --all"),
        (("--all", "--since", "yesterday"), "2026-03-14"),
        (("--all", "--diff", "--track"), "without Prefect only"),
    ],
)
def test_misuse_of_reclean_is_named(args: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = tearsheet("reclean", *args, "--store", str(tmp_path))

    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


# ------------------------------------------------------------------ clean
def test_clean_prints_a_saved_page() -> None:
    file = str(SITE / "library-roof.html")

    assert "The copper gutters" in tearsheet("clean", file, "--format", "text").stdout
    assert json.loads(tearsheet("clean", file, "--json").stdout)["authors"] == ["Mara Lindqvist"]


def test_batch_answers_each_line_and_loses_none() -> None:
    page = {"id": 7, "url": "https://a.example/x", "html": (SITE / "library-roof.html").read_text()}
    done = tearsheet(
        "clean", "--batch", stdin=json.dumps(page) + "\nnonsense\n" + json.dumps({"id": 8, "html": ""}) + "\n"
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 1
    assert [row["id"] for row in rows] == [7, None, 8]
    assert "line 2" in rows[1]["error"]
    wanted = "id url title authors published modified site language description text markdown html removed verdict"
    assert set(rows[0]) == {*wanted.split(), "captions", "next_page", "removed_by_concept", "parse_flags"}


def test_clean_gives_the_sums_and_the_doubt_of_its_removals() -> None:
    file = str(SITE / "library-roof.html")
    row = json.loads(tearsheet("clean", file, "--json").stdout)
    sums: dict[str, int] = {}
    for removal in row["removed"]:
        sums[removal["concept"]] = sums.get(removal["concept"], 0) + removal["chars"]
    listed = tearsheet("clean", file, "--removed").stdout.splitlines()

    assert row["removed_by_concept"] == sums
    assert list(sums) != []
    assert [line.split()[2].rstrip("?") for line in listed] == [f"{one['doubt']:.2f}" for one in row["removed"]]


# ------------------------------------------------------------------ explain
def test_explain_prints_the_most_doubtful_first_and_the_totals_last() -> None:
    done = tearsheet("explain", str(SITE / "library-roof.html"))
    lines = done.stdout.split("\n\n")[0].splitlines()[::2]
    doubts = [float(line.split()[0]) for line in lines]

    assert done.returncode == 0, done.stderr
    assert doubts == sorted(doubts, reverse=True)
    assert any("- [promo:promo-membership-line] Enjoying this story?" in line for line in lines)
    assert any("+ For two winters the librarians" in line for line in lines)
    assert done.stdout.splitlines()[-1].startswith("in all")
    assert "\x1b" not in done.stdout


def test_explain_in_the_order_of_the_page_filters_and_limits() -> None:
    file = str(SITE / "library-roof.html")
    text = tearsheet("explain", file, "--order", "page").stdout
    rows = tearsheet("explain", file, "--fate", "removed", "--concept", "promo", "--limit", "2", "--json")
    found = [json.loads(line) for line in rows.stdout.splitlines()]

    assert text.index("For two winters") < text.index("Enjoying this story?") < text.index("copper gutters")
    assert [(row["fate"], row["concept"]) for row in found] == [("removed", "promo")] * 2
    assert tearsheet("explain", file, "--limit", "0").returncode == 2
    assert tearsheet("explain", file, "--fate", "lost").returncode == 2


def test_explain_reads_stdin_and_writes_a_page_once(tmp_path: Path) -> None:
    out = tmp_path / "why.html"
    args = ("explain", "-", "--html", str(out), "--limit", "1")
    page = (SITE / "library-roof.html").read_text()

    assert tearsheet(*args, stdin=page).returncode == 0
    assert "<del>Enjoying this story?" in out.read_text(encoding="utf-8")
    again = tearsheet(*args, stdin=page)
    assert (again.returncode, "--force" in again.stderr) == (1, True)
    assert tearsheet(*args, "--force", stdin=page).returncode == 0


def test_explain_of_an_id_and_a_url_say_where_the_page_is_from(site: str, tmp_path: Path) -> None:
    row, url = archived(site, tmp_path), f"http://{site}{PAGE}"
    of_id = tearsheet("explain", row["id"], "--store", str(tmp_path))
    of_url = tearsheet("explain", url, "--store", str(tmp_path), "--stored")
    now = tearsheet("explain", url, "--store", str(tmp_path / "none"), allow=site)

    assert (of_id.returncode, of_url.returncode, now.returncode) == (0, 0, 0)
    assert of_id.stdout == of_url.stdout == now.stdout
    assert f"{row['id']}: cleaned with the rules in force now" in of_id.stderr
    assert "not stored" in now.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("target", ["no-such-file", "http://127.0.0.1/", "20260101000000-0123456789abcdef"])
def test_explain_of_what_cannot_be_read_is_one_plain_line(target: str, tmp_path: Path) -> None:
    done = tearsheet("explain", target, "--store", str(tmp_path / "none"))
    assert (done.returncode in (1, 2), done.stdout, done.stderr.count("\n")) == (True, "", 1), done.stderr


def test_explain_cannot_be_made_to_drive_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<title>\x1b]0;x\x07</title><p>" + "one &#27;[2J two \u202e three " * 20)
    done = tearsheet("explain", str(tmp_path / "bad.html"), "--order", "page")
    assert "\x1b" not in done.stdout
    assert "\ufffd" in done.stdout


# ------------------------------------------------------------------ start-up
@pytest.mark.parametrize("args", [["--help"], ["archive", "--help"]])
def test_help_imports_neither_prefect_nor_boto3(args: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['tearsheet', *sys.argv[1:]]\n"
        "from flows.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'prefect', 'boto3', 'botocore', 'bs4', 'lxml'} & set(sys.modules), sorted(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr


def test_archiving_into_a_folder_imports_neither_prefect_nor_boto3(site: str, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom flows.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'prefect', 'boto3', 'botocore'} & set(sys.modules)\n"
    )
    args = ["archive", f"http://{site}{PAGE}", "--force", "--store", str(tmp_path)]
    command = [sys.executable, "-c", code, *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(site))

    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------ bad input, each with its own plain message
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("not a url", "not a url"),
        ("ftp://files.example/x", "ftp"),
        ("http://127.0.0.1/", "TEARSHEET_ALLOW"),
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254"),
        ("http://news.example:8081/", "8081"),
        ("http://user:secret@news.example/", "password"),
        ("http://no-such-host.invalid/", "no-such-host.invalid"),
    ],
)
def test_a_refused_url_is_named_and_nothing_is_stored(url: str, words: str, tmp_path: Path) -> None:
    done = tearsheet("archive", url, "--store", str(tmp_path / "store"))

    assert done.returncode == 1
    assert words in done.stdout
    assert "secret" not in done.stdout + done.stderr
    assert not list((tmp_path / "store").glob("**/*.wacz"))
    assert "Traceback" not in done.stderr


def test_a_refused_connection_is_plain(tmp_path: Path) -> None:
    pair = f"127.0.0.1:{unused_port()}"
    done = tearsheet("archive", f"http://{pair}/", "--store", str(tmp_path), allow=pair)

    assert done.returncode == 1
    assert "refused" in done.stdout.lower()


@pytest.mark.parametrize(
    ("path", "verdict", "words"),
    [
        ("/404", "error", "status-404"),
        ("/503", "error", "status-503"),
        ("/204", "error", "empty-body"),
        ("/truncated", "cut", "truncated"),
    ],
)
def test_a_bad_answer_is_kept_with_its_verdict(
    tough: ToughServer, path: str, verdict: str, words: str, tmp_path: Path
) -> None:
    done = tearsheet("archive", tough.url(path), "--store", str(tmp_path), "--json", allow=tough.pair)
    row = json.loads(done.stdout)

    assert done.returncode == 1
    assert row["verdict"] == verdict
    assert words in " ".join(row["reasons"])
    assert len(list(tmp_path.glob("v1/bundles/*/*/*/*.wacz"))) == 1
    missing = tearsheet("pull", tough.url(path), "--store", str(tmp_path), "-o", str(tmp_path / "o"))
    assert missing.returncode == 1
    assert "bad verdict" in missing.stderr


def test_a_redirect_loop_is_plain(tough: ToughServer, tmp_path: Path) -> None:
    done = tearsheet("archive", tough.url("/redirect-loop"), "--store", str(tmp_path), allow=tough.pair)

    assert done.returncode == 1
    assert "redirect" in done.stdout


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs resource limits")
def test_a_full_disk_loses_nothing_and_says_so(site: str, tmp_path: Path) -> None:
    archived(site, tmp_path)
    code = (
        "import resource,sys; resource.setrlimit(resource.RLIMIT_FSIZE,(9000,9000)); from flows.cli import main; main()"
    )
    args = ["archive", f"http://{site}{PAGE}", "--force", "--store", str(tmp_path)]
    command = [sys.executable, "-B", "-c", code, *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(site))

    assert done.returncode == 1
    assert "room" in done.stdout or "space" in done.stdout or "large" in done.stdout, done.stdout + done.stderr
    assert tearsheet("list", "--store", str(tmp_path), "--json").stdout.count("\n") == 1
    assert not [path for path in tmp_path.rglob("*") if "tmp" in path.name]


def test_an_unreachable_store_is_plain(site: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
    endpoint = f"http://127.0.0.1:{unused_port()}"
    limits = {"TEARSHEET_STORE_TOTAL_S": "2", "TEARSHEET_ATTEMPTS": "1"}
    done = tearsheet(
        "archive",
        f"http://{site}{PAGE}",
        "--store",
        "s3://bucket/p",
        allow=site,
        TEARSHEET_S3_ENDPOINT=endpoint,
        **keys,
        **limits,
    )

    assert done.returncode == 1
    assert endpoint in done.stdout


def test_wrong_credentials_and_a_missing_bucket_are_plain(site: str, local_s3: LocalS3) -> None:
    url, right = f"http://{site}{PAGE}", dict(local_s3.environ)
    wrong = {**right, "AWS_SECRET_ACCESS_KEY": "wrong" * 8}
    denied = tearsheet("archive", url, "--store", f"s3://{local_s3.bucket}/x", allow=site, **wrong)
    missing = tearsheet("archive", url, "--store", "s3://no-such-bucket/x", allow=site, **right)

    assert (denied.returncode, missing.returncode) == (1, 1)
    assert "AWS_" in denied.stdout
    assert "wrongwrong" not in denied.stdout + denied.stderr
    assert "no-such-bucket" in missing.stdout


def test_an_unknown_id_and_a_damaged_bundle_are_plain(site: str, tmp_path: Path) -> None:
    unknown = tearsheet("pull", "20260101000000-0123456789abcdef", "--store", str(tmp_path))
    row = archived(site, tmp_path)
    file = tmp_path / row["key"]
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    pulled = tearsheet("pull", row["id"], "--store", str(tmp_path), "-o", str(tmp_path / "o"))
    verified = tearsheet("verify", str(file), "--json")

    assert unknown.returncode == 1
    assert "20260101000000-0123456789abcdef" in unknown.stderr
    assert pulled.returncode == 1
    assert "sha256" in pulled.stderr
    assert not (tmp_path / "o").exists()
    assert verified.returncode == 1
    assert json.loads(verified.stdout)["problems"]


def test_broken_settings_and_rules_name_file_line_and_key(tmp_path: Path) -> None:
    config = tmp_path / "config"
    (config / "rules").mkdir(parents=True)
    (config / "settings.toml").write_text("# mine\nidle_timeout_s = 'long'\n")
    settings = tearsheet("list", "--config", str(config))
    (config / "settings.toml").unlink()
    (config / "rules" / "promo.toml").write_text('[[rule]]\nid = "mine"\nnonsense = 1\n')
    rules = tearsheet("clean", str(SITE / "library-roof.html"), "--config", str(config))

    assert (settings.returncode, rules.returncode) == (2, 2)
    assert "settings.toml:2" in settings.stderr
    assert "idle_timeout_s" in settings.stderr
    assert "promo.toml:" in rules.stderr
    assert "nonsense" in rules.stderr


def test_misuse_exits_2() -> None:
    assert tearsheet("archive").returncode == 2
    assert tearsheet("archive", "http://a.example/", "--mode", "film").returncode == 2
    assert tearsheet("pull", "http://a.example/", "--at", "yesterday").returncode == 2
    assert tearsheet("nonsense").returncode == 2


def test_output_into_a_closed_pipe_ends_quietly(site: str, tmp_path: Path) -> None:
    archived(site, tmp_path)
    shell = f"{sys.executable} -m flows.cli list --store {tmp_path} | true"
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, env=environment(), timeout=60)

    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------ odd input and output
def test_a_list_may_start_with_a_byte_order_mark_and_hold_bytes_that_are_no_utf_8(site: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", "archive", "-", "--store", str(tmp_path / "store")]
    listed = b"\xef\xbb\xbfhttp://" + site.encode() + PAGE.encode() + b"\r\nhttp://\xff\xfe/\r\n"
    done = subprocess.run(command, env=environment(site), input=listed, capture_output=True, timeout=60)
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
    assert b"1 failed, 1 ok" in done.stderr


def test_output_that_an_encoding_or_a_disk_cannot_hold_is_no_traceback(site: str, tmp_path: Path) -> None:
    saved = tmp_path / "saved.html"
    saved.write_text("<article><p>" + "Zwei Brücken über den Fluß → hier. " * 40 + "</p></article>", encoding="utf-8")
    done = tearsheet("clean", str(saved), PYTHONIOENCODING="ascii")
    assert (done.returncode, "Br\\xfccken" in done.stdout) == (0, True), done.stderr
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full:
            command = [sys.executable, "-m", "flows.cli", "clean", str(saved)]
            failed = subprocess.run(
                command, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
            )
        assert (failed.returncode, failed.stderr.count("\n")) == (1, 1), failed.stderr


def test_a_batch_gives_each_broken_line_its_own_error(tmp_path: Path) -> None:
    rows = [b'{"id":1,"html":"<p>a</p>"}', b'{"id":2,"html":"\xff"}', b'{"id":3,"url":5,"html":"a"}', b"[" * 100_000]
    batch = tmp_path / "batch.jsonl"
    batch.write_bytes(b"\xef\xbb\xbf" + b"\n".join([*rows, b'{"id":"\\ud800","html":"\\ud800"}']))
    done = tearsheet("clean", "--batch", str(batch))
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [bool(row.get("error")) for row in told]) == (1, [False, True, True, True, False])


def test_pull_into_what_is_no_folder_is_one_plain_line(site: str, tmp_path: Path) -> None:
    row = archived(site, tmp_path / "store")
    (tmp_path / "file").touch()
    done = tearsheet("pull", row["id"], "--store", str(tmp_path / "store"), "-o", str(tmp_path / "file"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    (tmp_path / "out" / row["id"] / "article.html").mkdir(parents=True)
    done = tearsheet("pull", row["id"], "--store", str(tmp_path / "store"), "-o", str(tmp_path / "out"), "--force")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert [path.name for path in (tmp_path / "out" / row["id"]).iterdir()] == ["article.html"]


def test_verify_goes_on_after_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    done = tearsheet("verify", str(tmp_path), "x" * 5000, str(tmp_path / "text"))
    assert done.returncode == 1
    assert "NOT SOUND" in done.stdout
    assert "Traceback" not in done.stderr


def test_what_a_page_says_cannot_drive_the_terminal() -> None:
    assert printable("a\x1b[2J\x9b\r\u202eb\tc\nd é") == "a\ufffd[2J\ufffd\ufffd\ufffdb\tc\nd é"
