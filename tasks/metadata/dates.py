"""Dates as pages write them, to ISO 8601."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tasks.metadata.text import clip
from tasks.metadata.words import MONTHS

__all__ = ["DateReader", "may_hold_date", "url_date", "url_month"]

EARLIEST = 1990  # older years on a page are about the past, not about the page

_ISO = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:[T ]\s?(\d\d?):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?\s?(Z|UTC|GMT|[+-]\d\d:?(?:\d\d)?)?)?",
    re.I,
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T?(\d\d)(\d\d)(\d\d)?(Z|[+-]\d\d:?\d\d)?)?$")
_EPOCH = re.compile(r"(\d{10})(?:\d{3})?")
_TIME = re.compile(r"[\s,T]+(\d\d):(\d\d)(?::(\d\d))?\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)\b")
_WORD = r"[^\W\d_]{3,12}"
_YEAR = r"(?:19|20)\d\d"
_VISIBLE = re.compile(
    rf"""(?<!\d)(?:
      (?P<y1>{_YEAR})[-./](?P<m1>\d\d?)[-./](?P<d1>\d\d?)
    | (?P<d2>\d\d?)\.\s?(?P<m2>\d\d?)\.\s?(?P<y2>{_YEAR}|\d\d)
    | (?P<a3>\d\d?)/(?P<b3>\d\d?)/(?P<y3>{_YEAR}|\d\d)
    | (?P<d4>\d\d?)(?:st|nd|rd|th|er|º|\.)?[\s-]?(?:de\s|of\s)?(?P<m4>{_WORD})\.?,?[\s-]?(?:de\s|del\s)?(?P<y4>{_YEAR})
    | (?P<m5>{_WORD})\.?\s(?P<d5>\d\d?)(?:st|nd|rd|th)?,?\s(?P<y5>{_YEAR})
    | (?P<y6>{_YEAR})\s?[年년]\s?(?P<m6>\d\d?)\s?[月월]\s?(?P<d6>\d\d?)\s?[日일]
    | (?P<y7>{_YEAR})\.?\s(?P<m7>{_WORD})\.?\s(?P<d7>\d\d?)
    )(?!\d)""",
    re.X,
)
_MAYBE = re.compile(r"(?:19|20)\d\d|\d[./]\s?\d")
_URL_MONTH = re.compile(r"/((?:19|20)\d\d)[/-]?(0[1-9]|1[0-2])(?!\d{3})")
_URL_DAY_FIRST = re.compile(r"(?<![\d-])([0-3]\d)-([01]\d)-(20\d\d)(?![\d-]\d)")
_URL_DATE = re.compile(r"/((?:19|20)\d\d)(?:[/-]?(\d\d)[/-]?(\d\d)|/(\d\d?|[a-z]{3,9})/(\d\d?)(?=/))(?!\d)")


def may_hold_date(text: str) -> bool:
    """Whether a text could hold a date: cheap, since most do not."""
    numbered = "20" in text or "19" in text or "/" in text or "." in text
    return numbered and _MAYBE.search(text) is not None


class DateReader:
    """Reads the dates of one page: `language` decides what 3/5/2024 means, `latest` bounds the future."""

    def __init__(self, language: str, latest: date) -> None:
        tag = language.lower()
        self._day_first = bool(tag) and tag not in ("en", "en-us", "en-ca", "en-ph")
        self._latest = latest + timedelta(days=1)  # the page may be a time zone ahead

    def stamp(self, value: Any) -> str:
        """ISO 8601 of a machine's date (attribute, meta or JSON value), with time and offset as given; "" for none."""
        text = clip(value, 80)
        match = _ISO.match(text) or _COMPACT.match(text)
        if match:
            return self._joined(*match.groups())
        if _EPOCH.fullmatch(text):
            moment = datetime.fromtimestamp(int(text[:10]), UTC)
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if self._fits(moment.date()) else ""
        return self.visible(text)

    def visible(self, text: str) -> str:
        """The first date in a line of text, as YYYY-MM-DD (with its time where the offset is given); "" for none."""
        if not may_hold_date(text):
            return ""
        for match in _VISIBLE.finditer(text):
            day = self._day(match)
            if day:
                time = _TIME.match(text, match.end())
                return self._joined(*day, *time.groups()) if time else self._joined(*day)
        return ""

    def _day(self, match: re.Match[str]) -> tuple[str, str, str] | None:
        """Year, month and day of a match of `_VISIBLE` in digits, or None where they are no date."""
        parts = {name: value for name, value in match.groupdict().items() if value}
        form = match.lastgroup[1:] if match.lastgroup else ""
        if form == "3":
            first, second = int(parts["a3"]), int(parts["b3"])
            swapped = first > 12 or (self._day_first and second <= 12)
            month, day = (second, first) if swapped else (first, second)
        else:
            name = parts["m" + form]
            month = int(name) if name.isdecimal() else MONTHS.get(name.lower(), 0)
            day = int(parts["d" + form])
        year = int(parts["y" + form])
        year += 2000 if year < 100 else 0
        return (str(year), str(month), str(day)) if self._joined(str(year), str(month), str(day)) else None

    def _joined(
        self,
        year: str,
        month: str,
        day: str,
        hour: str | None = None,
        minute: str | None = None,
        second: str | None = None,
        offset: str | None = None,
    ) -> str:
        try:
            moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
        except ValueError:
            return self._joined(year, month, day) if hour else ""  # 24:00 and 12:61 leave the day
        if not self._fits(moment.date()):
            return ""
        return moment.isoformat() + _offset(offset) if hour else moment.date().isoformat()

    def _fits(self, day: date) -> bool:
        return day.year >= EARLIEST and day <= self._latest


def url_date(url: str) -> str:
    """The day in a URL's path (/2024/03/05/), as YYYY-MM-DD, or the empty string."""
    match = _URL_DATE.search(url)
    if not match:
        turned = _URL_DAY_FIRST.search(url)
        return url_date(f"/{turned[3]}/{turned[2]}/{turned[1]}/") if turned else ""
    try:
        month, day = match[2] or match[4], match[3] or match[5]
        return date(int(match[1]), int(month) if month.isdecimal() else MONTHS.get(month, 0), int(day)).isoformat()
    except ValueError:
        return ""


def url_month(url: str) -> str:
    """Year and month in a URL's path (/2024/03/), as YYYY-MM, or the empty string."""
    match = _URL_MONTH.search(url)
    return f"{match[1]}-{match[2]}" if match else ""


def _offset(text: str | None) -> str:
    """An offset as ISO writes it: Z, +02:00, or "" where the page gave none."""
    if not text:
        return ""
    if text[0] not in "+-":
        return "Z"
    digits = text[1:].replace(":", "").ljust(4, "0")
    return f"{text[0]}{digits[:2]}:{digits[2:]}" if int(digits[:2]) < 24 and int(digits[2:]) < 60 else ""
