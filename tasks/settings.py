"""Settings: config files and environment in, one frozen record out; defaults exist once, in config/settings.toml."""

import difflib
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from tasks import __version__
from tasks.errors import SettingsError, TearsheetError

__all__ = ["Settings", "config_dirs", "load_settings", "read_toml"]

_INSTALLED = Path(__file__).parent / "_config"  # in a wheel
_CHECKOUT = Path(__file__).parent.parent / "config"  # in a checkout


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting; meaning, unit and default of each stand in config/settings.toml."""

    store: str
    cache: str
    s3_endpoint: str
    s3_region: str
    s3_addressing: str
    s3_block: str
    store_timeout_s: float
    store_total_s: float
    outbox: str
    object_lock: str
    retention_days: int
    allow: tuple[str, ...]
    ports: tuple[int, ...]
    user_agent: str
    contact: str
    accept_language: str
    connect_timeout_s: float
    idle_timeout_s: float
    total_timeout_s: float
    max_header_bytes: int
    max_body_bytes: int
    max_decoded_bytes: int
    max_redirects: int
    mode: str
    requisites_max: int
    requisites_at_once: int
    requisites_levels: int
    requisite_bytes: int
    requisites_bytes: int
    requisites_s: float
    chromium: str
    browser_page_s: float
    browser_quiet_s: float
    browser_requests: int
    browser_bytes: int
    browser_memory_mb: int
    browser_pdf: bool
    browser_overlays: str
    host_at_once: int
    host_interval_s: float
    crawl_delay_max_s: float
    host_rest_s: float
    host_wait_s: float
    host_down_s: float
    robots: str
    robots_by_hand: str
    conditional: bool
    soft404_probe: str
    thin_words: int
    thinner_share: float
    thinner_from_words: int
    workers: int
    per_host: int
    watch_limit: str
    attempts: int
    retry_wait_s: float
    sign: bool
    key_file: str
    require_signature: bool
    trusted_keys: tuple[str, ...]
    timestamp_url: str
    timestamp_ca: str
    timestamp_timeout_s: float
    audit_period_d: int
    log_format: str
    replayweb: str

    @property
    def agent(self) -> str:
        """The User-Agent header that goes out."""
        contact = f" (+{self.contact})" if self.contact else ""
        return self.user_agent or f"Tearsheet/{__version__}{contact}"


_PREFIX = "TEARSHEET_"
_CONFIG = "TEARSHEET_CONFIG"  # the folder; every other variable with the prefix is a setting
_FOR_TESTS = "TEARSHEET_TEST_"
_CHOICES = {
    "mode": ("page", "requisites", "browser", "auto"),
    "browser_overlays": ("keep", "hide", "click"),
    "s3_addressing": ("path", "virtual"),
    "log_format": ("auto", "text", "json"),
    "object_lock": ("", "governance", "compliance"),
    "robots": ("obey", "report", "ignore"),
    "robots_by_hand": ("obey", "report", "ignore"),
    "soft404_probe": ("never", "doubt", "always"),
}
# Every other number is above zero.
_MAY_BE_ZERO = (
    *("max_redirects", "thin_words", "thinner_share", "thinner_from_words", "retry_wait_s"),
    *("host_interval_s", "crawl_delay_max_s", "host_rest_s", "host_down_s"),
)
_MAX_DAYS = 36_500  # a hundred years
_YES_OR_NO = {"true": True, "false": False}
_IN_HEADERS = ("user_agent", "contact", "accept_language")
_PAIR = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_URLS = ("s3_endpoint", "timestamp_url")
_BLOCK = re.compile(r"(aws|minio)-credentials/[a-z0-9-]+")
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
_URL = re.compile(r"https?://[^\s/]+/?\S*")


def config_dirs(config: str | Path | None = None, environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Folders that hold configuration, the weakest first: ours, then the user's one where there is any.

    The user's is the first of `config` (--config), TEARSHEET_CONFIG and ./config that is given or exists.
    """
    ours = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    named = config or environ.get(_CONFIG)
    if named and not Path(named).is_dir():
        raise SettingsError("no such folder", where=str(named), remedy="Name a folder that holds settings.toml")
    theirs = Path(named) if named else Path("config")
    if theirs.is_dir() and theirs.resolve() != ours.resolve():
        return ours, theirs
    return (ours,)


def load_settings(config: str | Path | None = None, environ: Mapping[str, str] = os.environ, **flags: Any) -> Settings:
    """Settings from the files, then the environment (TEARSHEET_<KEY>), then `flags` that are not None.

    Raises SettingsError with file, line and key for anything unknown, mistyped or out of range.
    """
    values: dict[str, Any] = {}
    for folder in config_dirs(config, environ):
        values |= _read(folder / "settings.toml")
    for name in sorted(environ):
        key = name.removeprefix(_PREFIX).lower()
        if name.startswith(_PREFIX) and name != _CONFIG and not name.startswith(_FOR_TESTS):
            values[key] = _checked(key, _from_text(key, environ[name], name), name)
    for key, value in flags.items():
        if value is not None:
            values[key] = _checked(key, value, f"--{key.replace('_', '-')}")
    missing = [key for key in _KINDS if key not in values]
    if missing:
        raise SettingsError(f"no value for {', '.join(missing)}", where="settings.toml", remedy="Reinstall Tearsheet")
    return Settings(**values)


_KINDS: dict[str, Any] = {item.name: item.type for item in fields(Settings)}


def _read(path: Path) -> dict[str, Any]:
    """The checked values of one settings file; none where there is no such file."""
    if not path.exists():
        return {}
    table, text = read_toml(path)
    return {key: _checked(key, value, f"{path}:{_line_of(key, text)}") for key, value in table.items()}


def read_toml(path: Path, broken: type[TearsheetError] = SettingsError) -> tuple[dict[str, Any], str]:
    """The table in a TOML file, and its text; `broken`, with file and line, where it cannot be had."""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except UnicodeDecodeError:
        raise broken("not UTF-8", where=f"{path}:1", remedy="Save it as UTF-8") from None
    except OSError as error:
        raise broken(f"cannot be read: {error.strerror}", where=str(path), remedy="Correct the file") from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        number = int(line[1]) if line else text.rstrip("\n").count("\n") + 1  # "at end of document"
        raise broken(f"not TOML: {error}", where=f"{path}:{number}", remedy="Correct that line") from None


def _line_of(key: str, text: str) -> int:
    match = re.search(rf"^[ \t]*(?:\[\s*)?[\"']?{re.escape(key)}\b", text, re.M)
    return text.count("\n", 0, match.start()) + 1 if match else 1


def _from_text(key: str, text: str, where: str) -> Any:
    kind = _KINDS.get(key, str)
    if kind is bool:
        return _YES_OR_NO.get(text.lower(), text)  # else _checked says what is wrong
    try:
        if kind in (int, float):
            return kind(text)
        if kind is not str:
            inner = get_args(kind)[0]
            return [inner(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SettingsError(f"{key} is not a number: {text!r}", where=where, remedy="Give a number") from None
    return text


def _checked(key: str, value: Any, where: str) -> Any:
    """`value` in its type, or SettingsError."""
    if key not in _KINDS:
        near = difflib.get_close_matches(key, _KINDS, 1)
        remedy = f"Is {near[0]} meant?" if near else "config/settings.toml of Tearsheet lists every key"
        raise SettingsError(f"unknown key {key!r}", where=where, remedy=remedy)
    kind = _KINDS[key]
    if kind is float and type(value) is int:
        value = float(value)
    if kind not in (int, float, str, bool):
        inner = get_args(kind)[0]
        if not isinstance(value, list | tuple) or not all(type(part) is inner for part in value):
            raise SettingsError(f"{key} is not a list of {inner.__name__}", where=where, remedy="Write [a, b]")
        value = tuple(value)
    elif type(value) is not kind:
        raise SettingsError(
            f"{key} is {type(value).__name__}, {kind.__name__} wanted",
            where=where,
            remedy="Write true or false" if kind is bool else "Correct the value",
        )
    _check_range(key, value, where)
    return value


def _check_range(key: str, value: Any, where: str) -> None:
    """Raises SettingsError for a value of the right type that makes no sense."""
    wrong = ""
    if key in _CHOICES and value not in _CHOICES[key]:
        wrong = f"Choose one of {', '.join(choice or 'empty' for choice in _CHOICES[key])}"
    elif key == "retention_days" and value > _MAX_DAYS:
        wrong = f"Give at most {_MAX_DAYS}: what is locked by mistake stays locked"
    elif key == "store" and not value.strip():
        wrong = "Name a folder or s3://bucket/prefix"
    elif key in _URLS and value and not _URL.fullmatch(value):
        wrong = "Write a URL such as http://127.0.0.1:8333"
    elif key == "s3_block" and value and not _BLOCK.fullmatch(value):
        wrong = "Write aws-credentials/<name> or minio-credentials/<name>"
    elif key == "trusted_keys" and not all(map(_FINGERPRINT.fullmatch, value)):
        wrong = "Write fingerprints, sha256: and 64 hexadecimal digits; `tearsheet key fingerprint` shows one"
    elif key in _IN_HEADERS and not (value.isascii() and value.isprintable()):
        wrong = "Header values are printable ASCII"
    elif key == "thinner_share" and not 0 <= value <= 1:
        wrong = "Give a share from 0 to 1"
    elif key == "allow" and not all(map(_is_pair, value)):
        wrong = "Write exact host:port pairs"
    elif key == "ports" and not all(0 < port < 65536 for port in value):
        wrong = "Ports are 1 to 65535"
    elif type(value) in (int, float) and not (math.isfinite(value) and (value > 0 or _zero_is_fine(key, value))):
        wrong = "Give a number of zero or more" if key in _MAY_BE_ZERO else "Give a number above zero"
    if wrong:
        raise SettingsError(
            f"{key} is {list(value) if isinstance(value, tuple) else value!r}", where=where, remedy=wrong
        )


def _zero_is_fine(key: str, value: float) -> bool:
    return value == 0 and key in _MAY_BE_ZERO


def _is_pair(text: str) -> bool:
    match = _PAIR.fullmatch(text)
    return bool(match) and 0 < int(match[2] if match else 0) < 65536
