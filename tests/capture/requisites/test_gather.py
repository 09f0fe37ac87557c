"""Requisites fetched from a real server, within limits; what does not come is named."""

from typing import Any

import pytest

from tasks.capture.fetch import Recorder
from tasks.capture.requisites import gather
from tasks.records import Capture
from tasks.settings import load_settings
from tests.capture.requisites.site import Answer, Site

CSS = "text/css"


def page(html: str) -> Answer:
    return Answer(html.encode(), "text/html; charset=utf-8")


def gathered(site: Site, path: str = "/", **changes: Any) -> Capture:
    settings = load_settings(environ={}, **({"allow": (site.pair,), "idle_timeout_s": 2.0} | changes))
    with Recorder(settings) as recorder:
        capture = recorder.capture(site.url(path))
        try:
            return gather(capture, site.answers[path].body.decode(), recorder)
        finally:
            capture.close()


def names(site: Site, capture: Capture) -> list[str]:
    return [exchange.url.removeprefix(site.url("")) for exchange in capture.beside]


def missing(site: Site, capture: Capture) -> list[tuple[str, str]]:
    assert capture.requisites
    return [(one.url.removeprefix(site.url("")), one.reason) for one in capture.requisites.missing]


def test_sheets_of_sheets_and_what_they_load_come_in_the_order_of_the_page() -> None:
    answers = {
        "/": page("<img src=/1.png><link rel=stylesheet href=/a.css><img src=/2.png>"),
        "/a.css": Answer(b"@import 'b.css';p{background:url(3.png)}", CSS, delay_s=0.1),
        "/b.css": Answer(b"@font-face{src:url(f.woff2)}", CSS),
        **{f"/{name}": Answer() for name in ("1.png", "2.png", "3.png", "f.woff2")},
    }
    with Site(answers) as site:
        capture = gathered(site)
        assert names(site, capture) == ["/1.png", "/a.css", "/2.png", "/b.css", "/3.png", "/f.woff2"]
        assert missing(site, capture) == []
        assert capture.mode == "requisites"
        assert capture.page.url == site.url("/")
        vias = {exchange.url: exchange.via for exchange in capture.beside}
        assert vias[site.url("/f.woff2")] == site.url("/b.css")
        assert vias[site.url("/1.png")] == site.url("/")
        capture.close()


def test_what_does_not_come_is_named_with_its_reason() -> None:
    answers = {
        "/": page(
            "<img src=/gone.png><img src=/long.png><img src=/to-loopback.png><img src=/loop.png><img src=/ok.png>"
            "<img src=http://127.0.0.1:1/x.png><img src='http://10.0.0.1/x.png'><img src='http://h:99999/x.png'>"
        ),
        "/long.png": Answer(b"x" * 5000),
        "/to-loopback.png": Answer(b"", status=302, headers={"Location": "http://127.0.0.1:2/"}),
        "/loop.png": Answer(b"", status=302, headers={"Location": "/loop.png"}),
        "/ok.png": Answer(),
    }
    with Site(answers) as site:
        capture = gathered(site, requisite_bytes=1000)
        assert dict(missing(site, capture)) == {
            "/gone.png": "status-404",
            "/long.png": "truncated-length",
            "/to-loopback.png": "port",
            "/loop.png": "redirect-loop",
            "http://127.0.0.1:1/x.png": "port",
            "http://10.0.0.1/x.png": "address",
            "http://h:99999/x.png": "bad-url",
        }
        assert names(site, capture) == ["/gone.png", "/long.png", "/ok.png"]
        assert capture.requisites
        assert (capture.requisites.wanted, capture.requisites.captured) == (8, 1)
        capture.close()


def test_redirects_of_a_requisite_are_kept_with_it() -> None:
    answers = {
        "/": page("<img src=/a.png><img src=/b.png>"),
        "/a.png": Answer(b"", status=301, headers={"Location": "/b.png"}),
        "/b.png": Answer(),
    }
    with Site(answers) as site:
        capture = gathered(site)
        assert names(site, capture) == ["/a.png", "/b.png"]
        assert missing(site, capture) == []
        capture.close()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"requisites_max": 5}, "over-requests"), ({"requisites_bytes": 400, "requisites_at_once": 1}, "over-bytes")],
)
def test_limits_stop_the_rest_and_say_so(changes: dict[str, Any], reason: str) -> None:
    answers = {"/": page("".join(f"<img src=/{number}.png>" for number in range(20)))}
    answers |= {f"/{number}.png": Answer(b"x" * 100) for number in range(20)}
    with Site(answers) as site:
        capture = gathered(site, **changes)
        kept = len(capture.beside)
        assert kept in (4, 5)
        assert missing(site, capture) == [(f"/{number}.png", reason) for number in range(kept, 20)]
        assert len(site.asked) == kept + 1
        capture.close()


def test_time_is_limited_for_all_together_whatever_each_takes() -> None:
    answers = {"/": page("".join(f"<img src=/{number}.png>" for number in range(8)))}
    answers |= {f"/{number}.png": Answer(delay_s=0.4) for number in range(8)}
    with Site(answers) as site:
        capture = gathered(site, requisites_s=0.6, requisites_at_once=2)
        assert {reason for _, reason in missing(site, capture)} <= {
            "over-time",
            "truncated-time",
            "idle-timeout",
            "timeout",
        }
        assert 2 <= len(capture.beside) <= 4
        capture.close()


def test_a_page_that_names_thousands_is_told_by_number() -> None:
    with Site({"/": page("".join(f"<img src=/{number}.png>" for number in range(3000)))}) as site:
        capture = gathered(site, requisites_max=3)
        found = missing(site, capture)
        assert len(found) == 3 + 1000 + 1
        assert found[-1] == ("/", "over-requests-1997-more")
        assert len(site.asked) == 4
        capture.close()


def test_sheets_import_each_other_only_so_deep() -> None:
    answers = {"/": page("<link rel=stylesheet href=/1.css>")}
    answers |= {
        f"/{n}.css": Answer(f"@import '{n + 1}.css';a{{background:url({n}.png)}}".encode(), CSS) for n in range(1, 9)
    }
    answers |= {f"/{n}.png": Answer() for n in range(1, 9)}
    with Site(answers) as site:
        capture = gathered(site, requisites_levels=3)
        assert {"/1.css", "/2.css", "/3.css", "/3.png"} <= {*names(site, capture)}
        assert "/4.css" not in names(site, capture)
        assert ("/4.css", "over-levels") in missing(site, capture)
        capture.close()


def test_a_few_at_once_with_what_browsers_say() -> None:
    answers = {"/": page("<link rel=stylesheet href=/a.css>" + "".join(f"<img src=/{n}.png>" for n in range(12)))}
    answers |= {"/a.css": Answer(b"a{}", CSS)} | {f"/{n}.png": Answer() for n in range(12)}
    with Site(answers, delay_s=0.03) as site:
        gathered(site, requisites_at_once=4).close()
        assert 2 <= site.most_at_once <= 4
        said = dict(site.asked)
        assert said["/1.png"]["accept"].startswith("image/avif")
        assert said["/a.css"]["accept"].startswith("text/css")
        assert said["/1.png"]["referer"] == site.url("/")
        assert "cookie" not in said["/1.png"]


def test_urgent_things_come_first() -> None:
    answers = {
        "/": page("<img srcset='/s.png 2x' src=/i.png><link rel=icon href=/i.ico><link rel=stylesheet href=/a.css>")
    }
    answers |= {path: Answer() for path in ("/s.png", "/i.png", "/i.ico")} | {"/a.css": Answer(b"a{}", CSS)}
    with Site(answers) as site:
        gathered(site, requisites_at_once=1).close()
        assert site.paths() == ["/", "/a.css", "/i.png", "/s.png", "/i.ico"]
