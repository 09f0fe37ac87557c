"""What a signature proves depends on whose keys one trusts; what is required and missing is refused."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from flows.cli import app
from tasks.errors import FixityError, SettingsError
from tasks.keys import new_key, signer_of
from tasks.proof import Trust, prove_file, trust_of
from tasks.retrieve import examine_target, pull
from tasks.settings import Settings, load_settings
from tasks.store import open_store
from tests.bundle.samples import SIGNER, pack

UNKNOWN = Trust(frozenset(), frozenset(), (), True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(environ={}, key_file=str(tmp_path / "k.pem"), store=str(tmp_path / "store"))


def test_a_key_of_ours_one_we_trust_and_an_unknown_one(tmp_path: Path, settings: Settings) -> None:
    own = signer_of(settings)
    public = SIGNER.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "desk.pem").write_bytes(public)
    ours, theirs = pack(tmp_path, signer=own).path, pack(tmp_path, signer=SIGNER).path
    assert prove_file(ours, trust_of(settings)).by == "own"
    new_key(tmp_path / "k.pem")
    assert prove_file(ours, trust_of(settings)).by == "own"
    assert prove_file(theirs, trust_of(settings)).by == "unknown"
    for name in (SIGNER.fingerprint, str(tmp_path / "desk.pem")):
        assert prove_file(theirs, trust_of(settings, trusted=[name])).by == "trusted"
    listed = load_settings(environ={"TEARSHEET_TRUSTED_KEYS": SIGNER.fingerprint}, key_file=settings.key_file)
    assert prove_file(theirs, trust_of(listed)).by == "trusted"


def test_what_is_required_and_missing_unknown_or_wrong_is_a_problem(tmp_path: Path) -> None:
    signed, unsigned = pack(tmp_path, signer=SIGNER), pack(tmp_path)
    trusting = Trust(frozenset(), frozenset({SIGNER.fingerprint}), (), True)
    assert prove_file(signed.path, trusting).problems == ()
    wrong = tmp_path / "wrong.wacz"
    data = signed.path.read_bytes()
    at = data.index(b'"signature": "') + 20
    wrong.write_bytes(data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :])
    for path, trust in ((signed.path, UNKNOWN), (unsigned.path, trusting), (wrong, trusting)):
        assert [(item.code, item.severity) for item in prove_file(path, trust).problems] == [
            ("signature-required", "error")
        ]
    (tmp_path / "x.warc").write_bytes(b"WARC/1.1\r\n")
    assert [item.code for item in prove_file(tmp_path / "x.warc", trusting).problems] == ["signature-required"]


def test_pull_gives_nothing_out_that_lacks_the_required_signature(tmp_path: Path, settings: Settings) -> None:
    bundle = pack(tmp_path, signer=SIGNER)
    with open_store(settings.store, settings) as store:
        store.put_bundle(bundle)
        with pytest.raises(FixityError, match="signature-required"):
            pull(store, bundle.id, tmp_path / "out", trust=trust_of(settings, required=True))
        assert not (tmp_path / "out").exists()
        trust = trust_of(settings, required=True, trusted=[SIGNER.fingerprint])
        assert pull(store, bundle.id, tmp_path / "out", trust=trust).id == bundle.id


def test_the_setting_requires_as_the_flag_does(tmp_path: Path) -> None:
    settings = load_settings(environ={"TEARSHEET_REQUIRE_SIGNATURE": "true"}, key_file=str(tmp_path / "k.pem"))
    assert trust_of(settings).required
    problems, _ = examine_target(str(pack(tmp_path).path), settings, "full", trust_of(settings))
    assert [item.code for item in problems] == ["signature-required"]


@pytest.mark.parametrize("name", ["none.pem", "sha256:00", "broken.pem"])
def test_what_is_no_key_to_trust_is_misuse(tmp_path: Path, settings: Settings, name: str) -> None:
    (tmp_path / "broken.pem").write_text("-----BEGIN PUBLIC KEY-----\nAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(SettingsError):
        trust_of(settings, trusted=[str(tmp_path / name)])


def test_each_line_says_what_is_proven_and_what_is_not(tmp_path: Path, shared: Path) -> None:
    def line(path: Path, *trusted: str) -> str:
        return prove_file(path, Trust(frozenset(), frozenset(trusted), (), False)).lines()[0]  # type: ignore[arg-type]

    assert "signature: none" in line(pack(tmp_path).path)
    signed = pack(tmp_path, signer=SIGNER).path
    assert "by an unknown key" in line(signed)
    assert "not who" in line(signed)
    assert "by a key you trust" in line(signed, SIGNER.fingerprint)
    assert "not when" in line(signed, SIGNER.fingerprint)
    assert "by btrix-sign-test.webrecorder.net" in line(shared / "interop" / "pywacz-valid-signed-1.wacz")
    assert "NOT genuine" in line(shared / "interop" / "pywacz-invalid-signed-1.wacz")


# ------------------------------------------------------------------ command line
def run(tmp_path: Path, *arguments: str, status: int = 0) -> str:
    """Output of a command that ends with this status; the key is in `tmp_path`."""
    environ = {"TEARSHEET_KEY_FILE": str(tmp_path / "k.pem"), "TEARSHEET_STORE": str(tmp_path / "store")}
    done = CliRunner().invoke(app, arguments, env=environ)
    assert done.exit_code == status, done.output + repr(done.exception)
    return done.stdout


def test_the_key_commands_make_show_and_back_up(tmp_path: Path) -> None:
    made = json.loads(run(tmp_path, "key", "new", "--json"))
    assert run(tmp_path, "key", "fingerprint").strip() == made["fingerprint"]
    run(tmp_path, "key", "export", str(tmp_path / "backup.pem"))
    run(tmp_path, "key", "export", str(tmp_path / "pub.pem"), "--public")
    assert "the old key is" in run(tmp_path, "key", "new")
    rows = [json.loads(line) for line in run(tmp_path, "key", "show", "--json").splitlines()]
    assert [row["in_use"] for row in rows] == [False, True]
    assert rows[0]["fingerprint"] == made["fingerprint"]
    assert len(run(tmp_path, "key", "show").splitlines()) == 2


def test_verify_says_what_the_signature_proves_and_fails_where_it_must(tmp_path: Path) -> None:
    path = str(pack(tmp_path, signer=SIGNER).path)
    assert "genuine, by an unknown key" in run(tmp_path, "verify", path)
    assert "signature-required" in run(tmp_path, "verify", path, "--require-signature", status=1)
    trusted = ("--trusted", SIGNER.fingerprint, "--require-signature")
    row = json.loads(run(tmp_path, "verify", path, *trusted, "--json"))
    assert row["sound"] is True
    assert row["signature"] == {
        "kind": "anonymous",
        "genuine": True,
        "by": "trusted",
        "fingerprint": SIGNER.fingerprint,
        "domain": None,
    }
    assert row["timestamps"] == []
