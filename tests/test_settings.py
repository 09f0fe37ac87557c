import re
import tomllib
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from tasks.errors import SettingsError
from tasks.settings import Settings, config_dirs, load_settings

OURS = Path(__file__).parents[1] / "config"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder, and a working folder without ./config."""
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine"
    mine.mkdir()
    return mine


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path | None, environ: dict[str, str] | None = None, **flags: object) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_settings(folder, environ or {}, **flags)
    return caught.value


def test_the_defaults_are_those_of_the_file(folder):
    table = tomllib.loads((OURS / "settings.toml").read_text(encoding="utf-8"))
    settings = load_settings(None, {})
    assert {item.name for item in fields(Settings)} == set(table)
    for key, value in table.items():
        assert getattr(settings, key) == (tuple(value) if isinstance(value, list) else value)


def test_settings_are_frozen():
    with pytest.raises(FrozenInstanceError):
        load_settings(None, {}).workers = 1


def test_a_file_of_the_user_overrides_key_by_key(folder):
    write(folder, "workers = 3\nports = [80]\n")
    settings, defaults = load_settings(folder, {}), load_settings(None, {})
    assert (settings.workers, settings.ports) == (3, (80,))
    assert (settings.per_host, settings.store) == (defaults.per_host, defaults.store)


def test_a_folder_without_settings_changes_nothing(folder):
    assert load_settings(folder, {}) == load_settings(None, {})


def test_the_environment_overrides_the_file_and_a_flag_overrides_both(folder):
    write(folder, 'store = "from-file"\nworkers = 3\n')
    environ = {"TEARSHEET_STORE": "from-environment"}
    assert load_settings(folder, {}).store == "from-file"
    assert load_settings(folder, environ).store == "from-environment"
    assert load_settings(folder, environ, store="from-flag").store == "from-flag"
    assert load_settings(folder, environ, store=None).store == "from-environment"
    assert load_settings(folder, environ).workers == 3


def test_the_environment_gives_numbers_and_lists(folder):
    environ = {
        "TEARSHEET_WORKERS": "2",
        "TEARSHEET_IDLE_TIMEOUT_S": "1.5",
        "TEARSHEET_ALLOW": "127.0.0.1:8080, [::1]:81",
        "TEARSHEET_PORTS": "80,8080",
    }
    settings = load_settings(folder, environ)
    assert (settings.workers, settings.idle_timeout_s) == (2, 1.5)
    assert (settings.allow, settings.ports) == (("127.0.0.1:8080", "[::1]:81"), (80, 8080))


def test_a_whole_number_is_fine_where_seconds_are_wanted(folder):
    write(folder, "idle_timeout_s = 7")
    assert load_settings(folder, {}).idle_timeout_s == 7.0


def test_variables_of_the_tests_and_of_others_are_no_settings(folder):
    load_settings(folder, {"TEARSHEET_TEST_SHARED": "/x", "PATH": "/bin", "TEARSHEETS": "7"})


# ------------------------------------------------------------------ where files are found
def test_the_flag_comes_before_the_variable_and_that_before_the_working_folder(folder, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "named").mkdir()
    environ = {"TEARSHEET_CONFIG": str(tmp_path / "named")}
    assert config_dirs(None, {}) == (OURS, Path("config"))
    assert config_dirs(None, environ) == (OURS, tmp_path / "named")
    assert config_dirs(folder, environ) == (OURS, folder)


def test_without_a_folder_of_the_user_there_is_ours_alone(folder):
    assert config_dirs(None, {}) == (OURS,)
    assert config_dirs(OURS, {}) == (OURS,)


def test_a_folder_that_is_not_there_is_named(folder):
    assert refused(folder / "nowhere").where == str(folder / "nowhere")
    assert refused(None, {"TEARSHEET_CONFIG": "nowhere"}).where == "nowhere"


# ------------------------------------------------------------------ errors: file, line and key
@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("worker = 3", "worker"),
        ('workers = "3"', "workers"),
        ("workers = true", "workers"),
        ("workers = 0", "workers"),
        ("workers = -1", "workers"),
        ("max_redirects = -1", "max_redirects"),
        ("idle_timeout_s = nan", "idle_timeout_s"),
        ("idle_timeout_s = inf", "idle_timeout_s"),
        ("total_timeout_s = 0", "total_timeout_s"),
        ('ports = "80"', "ports"),
        ('ports = ["80"]', "ports"),
        ("ports = [80, 65536]", "ports"),
        ('allow = ["127.0.0.1"]', "allow"),
        ('allow = ["http://127.0.0.1:80/"]', "allow"),
        ('allow = ["127.0.0.1:0"]', "allow"),
        ('robots = "never"', "robots"),
        ('s3_addressing = "dns"', "s3_addressing"),
        ('s3_endpoint = "127.0.0.1:8333"', "s3_endpoint"),
        ('store = ""', "store"),
        ('contact = "me\\r\\nX-Evil: 1"', "contact"),
        ('user_agent = "Ümlaut"', "user_agent"),
        ("[store]", "store"),
        ("[section]", "section"),
    ],
)
def test_a_bad_value_is_refused_with_file_line_and_key(folder, line, key):
    path = write(folder, f"# workers = 1\n\n{line}\n")
    error = refused(folder)
    assert error.where == f"{path}:3"
    assert re.search(rf"\b{key}\b", error.what)
    assert error.remedy


@pytest.mark.parametrize(
    ("text", "line"), [("workers = 3\nper_host =\n", 2), ("a = 1\na = 2", 2), ('x = "', 1), ("a = [1,\n2", 2)]
)
def test_what_is_no_toml_is_refused_with_its_line(folder, text, line):
    path = write(folder, text)
    assert refused(folder).where == f"{path}:{line}"


def test_a_file_that_cannot_be_read_is_named(folder):
    path = folder / "settings.toml"
    path.write_bytes(b'store = "\xff"')
    assert refused(folder).where == f"{path}:1"
    path.unlink()
    path.mkdir()
    assert refused(folder).where == str(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TEARSHEET_WORKERS", "many"),
        ("TEARSHEET_WORKERS", ""),
        ("TEARSHEET_PORTS", "80,http"),
        ("TEARSHEET_IDLE_TIMEOUT_S", "nan"),
        ("TEARSHEET_STORE", " "),
        ("TEARSHEET_STOER", "s3://bucket"),
    ],
)
def test_a_bad_variable_is_refused_by_its_name(folder, name, value):
    error = refused(folder, {name: value})
    assert error.where == name
    assert name.removeprefix("TEARSHEET_").lower() in error.what


def test_a_bad_flag_is_refused_by_its_name(folder):
    assert refused(folder, None, s3_addressing="dns").where == "--s3-addressing"


def test_a_key_that_is_nearly_one_is_explained(folder):
    write(folder, "max_redirect = 3")
    assert refused(folder).remedy == "Is max_redirects meant?"


# ------------------------------------------------------------------ the file as documentation
def uncommented(text: str) -> list[str]:
    """Keys of a settings file that no comment on their line explains."""
    lines = re.findall(r"^([a-z0-9_]+) = (.*)$", text, re.M)
    return [key for key, rest in lines if len((re.search(r"\s#\s(.+)$", rest) or ["", ""])[1].split()) < 2]


def test_each_key_has_a_comment_with_its_effect():
    assert uncommented((OURS / "settings.toml").read_text(encoding="utf-8")) == []


def test_a_key_without_a_comment_is_named():
    assert uncommented('a = 1 # of some use\nb = 2\nc = "#"\nd = 3 # hm\n') == ["b", "c", "d"]


@pytest.mark.parametrize(("suffix", "unit"), [("_s", "seconds"), ("_bytes", "bytes")])
def test_a_key_whose_name_has_a_unit_says_it(suffix, unit):
    text = (OURS / "settings.toml").read_text(encoding="utf-8")
    keys = [item.name for item in fields(Settings) if item.name.endswith(suffix)]
    assert keys
    assert all(re.search(rf"^{key} = .*# .*{unit}", text, re.M) for key in keys)


def test_the_agent_names_the_program_and_the_contact(folder):
    assert re.fullmatch(r"Tearsheet/[0-9.]+\S*", load_settings(None, {}).agent)
    assert load_settings(None, {}, contact="https://a.example/").agent.endswith(" (+https://a.example/)")
    assert load_settings(None, {}, user_agent="Mine/1", contact="x").agent == "Mine/1"
