"""Time stamps: asked of a real authority, kept in the store, checked without it; a failure never costs the bundle."""

import dataclasses
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from tasks.bundle.tokens import TokenError, UnknownAuthority, new_question, read_token
from tasks.errors import FixityError, FormatError, NotFound, SettingsError, TearsheetError, TransientError
from tasks.pipeline import archive_page, open_tools
from tasks.present import outcome_line
from tasks.proof import prove_file, prove_stored, stamp_stored, trust_of
from tasks.retrieve import examine_target, pull
from tasks.settings import Settings, config_dirs, load_settings
from tasks.store import Store, open_store
from tasks.store.events import Event
from tasks.timestamps import load_authorities, put_stamp, request_stamp, stamp_bundle, stamps_of
from tests.bundle.samples import SIGNER, pack
from tests.hostile.tough_server import ToughServer
from tests.tsa import Authority, make_authority, served


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with served(make_authority(tmp_path_factory.mktemp("tsa"))) as authority:
        yield authority


@pytest.fixture(autouse=True)
def whole(desk: Authority) -> None:
    desk.broken = ""


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("stranger"), "Stranger")


@pytest.fixture
def settings(tmp_path: Path, desk: Authority) -> Settings:
    ours = load_settings(environ={}, store=str(tmp_path / "store"), timestamp_url=desk.url, timestamp_ca=str(desk.ca))
    return dataclasses.replace(ours, timestamp_timeout_s=5.0)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings.store, settings) as opened:
        yield opened


# ------------------------------------------------------------------ tokens
def test_an_answer_is_over_the_bytes_and_by_the_authority_and_by_no_other(desk: Authority, stranger: Authority) -> None:
    question, nonce = new_question(b"signature")
    token = read_token(desk.answer(question))
    token.check_over(b"signature")
    token.check_nonce(nonce)
    token.check_signed(load_authorities(str(desk.ca)))
    assert token.authority == "CN=Test TSA"
    with pytest.raises(TokenError, match="something else"):
        token.check_over(b"another")
    with pytest.raises(TokenError, match="nonce"):
        token.check_nonce((nonce or 0) + 1)
    with pytest.raises(UnknownAuthority):
        token.check_signed(load_authorities(str(stranger.ca)))


def test_each_flipped_byte_of_an_answer_is_found_and_none_raises_another_error(desk: Authority) -> None:
    data = bytearray(desk.answer(new_question(b"signature")[0]))
    roots, missed = load_authorities(str(desk.ca)), []
    whole = read_token(bytes(data))
    for at in range(len(data)):
        data[at] ^= 0x01
        try:
            token = read_token(bytes(data))
            token.check_over(b"signature")
            token.check_signed(roots)
            missed.append((at, token.time == whole.time, token.authority == whole.authority))
        except TokenError:
            pass
        data[at] ^= 0x01
    # What is left says the same of the same authority: bytes that no signature covers, such as the algorithm's name.
    assert all(same_time and same_name for _, same_time, same_name in missed)
    assert len(missed) < 40


@pytest.mark.parametrize(
    "data", [b"", b"0", b"0\x80", b"0\x05\x30\x03\x02\x01\x02", b"0\x03\x02\x01\x00", bytes(1 << 18)]
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(TokenError):
        read_token(data)


# ------------------------------------------------------------------ asking and keeping
def test_a_stored_bundle_gets_its_time_stamp_and_openssl_agrees(
    tmp_path: Path, settings: Settings, store: Store, desk: Authority
) -> None:
    bundle = pack(tmp_path, signer=SIGNER)
    store.put_bundle(bundle)
    assert stamp_bundle(store, bundle, settings) == ()
    (stamp,) = stamps_of(store, bundle.id)
    assert (stamp.bundle, stamp.sha256) == (bundle.id, bundle.sha256)
    assert stamp.key.startswith(f"v1/events/2026/11/23/{bundle.id[:14]}-timestamp-")
    pulled = pull(store, bundle.id, tmp_path / "out")
    (answer,) = [path for path in pulled.files if path.suffix == ".tsr"]
    (tmp_path / "signature").write_text(bundle.signature)
    command = ["openssl", "ts", "-verify", "-in", answer, "-data", tmp_path / "signature", "-CAfile", desk.ca]
    assert "Verification: OK" in subprocess.run(command, capture_output=True, text=True).stdout


def test_the_same_time_stamp_twice_is_one_event_and_another_is_another(
    tmp_path: Path, settings: Settings, store: Store
) -> None:
    bundle = pack(tmp_path, signer=SIGNER)
    store.put_bundle(bundle)
    token = request_stamp(bundle.signature, settings)
    assert put_stamp(store, bundle.id, bundle.sha256, token) == put_stamp(store, bundle.id, bundle.sha256, token)
    assert len(list(stamps_of(store, bundle.id))) == 1
    assert stamp_stored(store, bundle.id, settings) is None
    assert stamp_stored(store, bundle.id, settings, again=True) is not None
    assert len(list(stamps_of(store, bundle.id))) == 2


def test_bundles_of_one_second_keep_their_time_stamps_apart(tmp_path: Path, settings: Settings, store: Store) -> None:
    one, other = pack(tmp_path, signer=SIGNER), pack(tmp_path, "chunked", signer=SIGNER)
    for bundle in (one, other):
        store.put_bundle(bundle)
        assert stamp_bundle(store, bundle, settings) == ()
    assert [stamp.sha256 for stamp in stamps_of(store, one.id)] == [one.sha256]
    assert [stamp.sha256 for stamp in stamps_of(store, other.id)] == [other.sha256]


@pytest.mark.parametrize("broken", ["status-500", "hang", "junk", "other", "cut", "redirect", "huge"])
def test_a_broken_server_is_a_note_and_the_bundle_stays_stored(
    tmp_path: Path, settings: Settings, store: Store, desk: Authority, broken: str
) -> None:
    desk.broken = broken
    settings = dataclasses.replace(settings, timestamp_timeout_s=0.3 if broken == "hang" else 5.0)
    bundle = pack(tmp_path, signer=SIGNER)
    store.put_bundle(bundle)
    (problem,) = stamp_bundle(store, bundle, settings)
    assert (problem.code, problem.severity) == ("timestamp-missing", "note")
    assert store.read_manifest(bundle.id) == bundle.manifest
    assert list(stamps_of(store, bundle.id)) == []
    with pytest.raises(TearsheetError) as caught:
        stamp_stored(store, bundle.id, settings)
    assert isinstance(caught.value, TransientError) == (broken in ("status-500", "hang"))


def test_no_server_and_a_server_that_is_not_there(tmp_path: Path, settings: Settings, store: Store) -> None:
    bundle = pack(tmp_path, signer=SIGNER)
    store.put_bundle(bundle)
    assert stamp_bundle(store, bundle, dataclasses.replace(settings, timestamp_url="")) == ()
    with pytest.raises(SettingsError, match="no time-stamping server"):
        stamp_stored(store, bundle.id, dataclasses.replace(settings, timestamp_url=""))
    with pytest.raises(TransientError):
        stamp_stored(store, bundle.id, dataclasses.replace(settings, timestamp_url="http://127.0.0.1:9/"))


def test_only_what_is_signed_and_there_can_be_stamped(tmp_path: Path, settings: Settings, store: Store) -> None:
    bundle = pack(tmp_path)
    store.put_bundle(bundle)
    assert [item.code for item in stamp_bundle(store, bundle, settings)] == ["timestamp-missing"]
    with pytest.raises(FixityError, match="not signed"):
        stamp_stored(store, bundle.id, settings)
    for wrong in ("20261123101500-0123456789abcdef", "nothing"):
        with pytest.raises(NotFound):
            stamp_stored(store, wrong, settings)


def test_the_way_by_hand_in_format_md_works(tmp_path: Path, settings: Settings, desk: Authority) -> None:
    text = (Path(__file__).parents[1] / "tasks" / "bundle" / "FORMAT.md").read_text()
    (script,) = [block for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "openssl ts" in block]
    bundle = pack(tmp_path, signer=SIGNER)
    (tmp_path / "a.tsr").write_bytes(request_stamp(bundle.signature, settings).data)
    (tmp_path / "ca.pem").write_bytes(desk.ca.read_bytes())
    command = ["sh", "-euc", f"B={bundle.path.name}\n{script}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert SIGNER.fingerprint.removeprefix("sha256:") in done.stdout
    assert "Verified OK" in done.stdout
    assert "Verification: OK" in done.stdout


def test_the_command_stamps_and_verify_shows_it(
    tmp_path: Path, settings: Settings, store: Store, desk: Authority
) -> None:
    bundle = pack(tmp_path, signer=SIGNER)
    store.put_bundle(bundle)

    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, [*arguments, "--store", settings.store])
        assert done.exit_code == status, done.output + repr(done.exception)
        return done.stdout

    assert "stamped 20" in run("timestamp", bundle.id, "--timestamp", desk.url)
    assert "has a time stamp" in run("timestamp", bundle.id, "--timestamp", desk.url)
    assert "says CN=Test TSA" in run("verify", bundle.id, "--timestamp-ca", str(desk.ca))
    assert "no proof" in run("verify", bundle.id)
    row = json.loads(run("verify", bundle.id, "--timestamp-ca", str(desk.ca), "--json"))
    assert [(one["authority"], one["known"]) for one in row["timestamps"]] == [("CN=Test TSA", True)]
    run("timestamp", "20261123101500-0123456789abcdef", "--timestamp", desk.url, status=1)


# ------------------------------------------------------------------ checking
def test_verify_tells_a_known_authority_from_another_and_from_none(
    tmp_path: Path, settings: Settings, store: Store, stranger: Authority
) -> None:
    bundle = pack(tmp_path, signer=SIGNER)
    store.put_bundle(bundle)
    stamp_bundle(store, bundle, settings)
    found = {}
    for name, ca in {"known": settings.timestamp_ca, "stranger": str(stranger.ca), "none": ""}.items():
        trust = trust_of(dataclasses.replace(settings, timestamp_ca=ca))
        problems, proof = examine_target(bundle.id, settings, "full", trust)
        assert all(item.severity == "note" for item in problems)
        found[name] = ([item.code for item in problems], [stamp.known for stamp in proof.stamps])
    assert found == {
        "known": ([], [True]),
        "stranger": (["timestamp-unknown"], [False]),
        "none": (["timestamp-unknown"], [False]),
    }


def test_a_time_stamp_over_another_signature_is_wrong(tmp_path: Path, settings: Settings, store: Store) -> None:
    bundle, other = pack(tmp_path, signer=SIGNER), pack(tmp_path, "chunked", signer=SIGNER)
    store.put_bundle(bundle)
    put_stamp(store, bundle.id, bundle.sha256, request_stamp(other.signature, settings))
    proof = prove_stored(store, bundle.id, bundle.path, trust_of(settings))
    assert [(item.code, item.severity) for item in proof.problems] == [("timestamp-wrong", "error")]
    assert proof.stamps == ()


def test_a_time_stamp_beside_a_file_is_checked_under_its_own_name_only(
    tmp_path: Path, settings: Settings, store: Store
) -> None:
    bundle = pack(tmp_path, signer=SIGNER)
    data = request_stamp(bundle.signature, settings).data
    (tmp_path / f"{bundle.id}.tsr").write_bytes(data)
    (tmp_path / f"{bundle.id}-more.tsr").write_bytes(b"of someone else")
    proof = prove_file(bundle.path, trust_of(settings))
    assert ([stamp.known for stamp in proof.stamps], proof.problems) == ([True], ())
    assert any("was there at" in line for line in proof.lines())
    (tmp_path / f"{bundle.id}.tsr").write_bytes(data[:-1])
    assert [item.code for item in prove_file(bundle.path, trust_of(settings)).problems] == ["timestamp-wrong"]


def test_an_event_without_a_time_stamp_in_it_is_said_and_hides_nothing_else(
    tmp_path: Path, settings: Settings, store: Store
) -> None:
    bundle = pack(tmp_path, signer=SIGNER)
    store.put_bundle(bundle)
    put_stamp(store, bundle.id, bundle.sha256, request_stamp(bundle.signature, settings))
    at = next(store.events()).at
    store.put_event(Event("timestamp", at, bundle.id, {"response": "no Base64"}))
    with pytest.raises(FormatError):
        list(stamps_of(store, bundle.id))
    proof = prove_stored(store, bundle.id, bundle.path, trust_of(settings))
    assert [item.code for item in proof.problems] == ["timestamp-wrong"]
    assert proof.signature is not None


def test_a_file_of_authorities_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "none.pem"):
        with pytest.raises(SettingsError, match="timestamp_ca"):
            load_authorities(str(tmp_path / name))


# ------------------------------------------------------------------ the pipeline
def test_a_page_is_archived_signed_and_stamped(tmp_path: Path, settings: Settings, desk: Authority) -> None:
    with ToughServer() as tough:
        ours = dataclasses.replace(settings, allow=(tough.pair,), key_file=str(tmp_path / "k.pem"))
        with open_tools(ours, config_dirs(environ={})) as tools:
            outcome = archive_page(tough.url("/plain"), tools)
            assert outcome.ref
            problems, proof = examine_target(outcome.ref.id, ours, "full", trust_of(ours, required=True))
    assert problems == ()
    assert proof.by == "own"
    assert [stamp.known for stamp in proof.stamps] == [True]
    assert outcome.problems == ()


def test_a_page_is_archived_where_the_server_of_time_is_down(
    tmp_path: Path, settings: Settings, desk: Authority
) -> None:
    desk.broken = "status-500"
    with ToughServer() as tough:
        ours = dataclasses.replace(settings, allow=(tough.pair,), key_file=str(tmp_path / "k.pem"))
        with open_tools(ours, config_dirs(environ={})) as tools:
            outcome = archive_page(tough.url("/plain"), tools)
            assert outcome.good
            assert [item.code for item in outcome.problems] == ["timestamp-missing"]
            assert "timestamp-missing" in outcome_line(outcome)
            desk.broken = ""
            assert outcome.ref
            assert stamp_stored(tools.store, outcome.ref.id, ours) is not None


def test_nothing_is_captured_where_the_key_cannot_be_used(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "k.pem").write_text("no key")
    (tmp_path / "k.pem").chmod(0o600)
    ours = dataclasses.replace(settings, key_file=str(tmp_path / "k.pem"))
    with pytest.raises(SettingsError), open_tools(ours, config_dirs(environ={})):
        pass
    with open_tools(dataclasses.replace(ours, sign=False), config_dirs(environ={})) as tools:
        assert tools.signer is None
