"""What a page and its sheets load, found without loading them."""

import pytest

from tasks.capture.requisites import page_requisites, parse_srcset, sheet_requisites
from tasks.capture.requisites import sheets as module
from tests.conftest import SHARED

BASE = "https://courier.example/news/story"


def urls(html: str) -> list[str]:
    return [one.url.removeprefix("https://courier.example") for one in page_requisites(html, BASE)]


def loads(css: str) -> list[tuple[str, str]]:
    return [(one.url.removeprefix("https://courier.example"), one.kind) for one in sheet_requisites(css, BASE)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.jpg 1x, b.jpg 2x", ("a.jpg", "b.jpg")),
        ("a.jpg?w=1,2 320w,b.jpg", ("a.jpg?w=1,2", "b.jpg")),
        ("data:image/png;base64,AA,BB 3x, c.jpg", ("data:image/png;base64,AA,BB", "c.jpg")),
        ("a.jpg, b.jpg,, c.jpg (x,y) 1x, d.jpg", ("a.jpg", "b.jpg", "c.jpg", "d.jpg")),
        ("\n\ta.jpg\n100w\t,\nb.jpg 200w", ("a.jpg", "b.jpg")),
        (" , ,", ()),
    ],
)
def test_a_srcset_is_read_as_browsers_read_it(text: str, found: tuple[str, ...]) -> None:
    assert parse_srcset(text) == found


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<img src=a.png>", ["/news/a.png"]),
        ("<base href=/pictures/><img src=a.png>", ["/pictures/a.png"]),
        ("<img src='a b.png#x'>", ["/news/a%20b.png"]),
        ("<picture><source srcset='/w.webp 1x'><img srcset='/s.png 320w, /m.png 640w' src=/s.png></picture>",
         ["/w.webp", "/s.png", "/m.png"]),
        ("<link rel='alternate stylesheet' href=/a.css><link rel='shortcut icon' href=/i.ico>", ["/a.css", "/i.ico"]),
        ("<link rel=preload as=font href=/f.woff2><link rel=preload as=image imagesrcset='/p.png 1x'>",
         ["/f.woff2", "/p.png"]),
        ("<style>@import '/i.css'; a{background:url(/b.png)}</style>", ["/i.css", "/b.png"]),
        ("<p style=\"background:url('/b.png')\">x", ["/b.png"]),
        ("<video poster=/p.png src=/v.mp4><source src=/w.mp4></video>", ["/p.png", "/v.mp4", "/w.mp4"]),
        ("<svg><use href='/sprite.svg#icon'/><image xlink:href=/i.png /></svg>", ["/sprite.svg", "/i.png"]),
        ("<svg><use href='#icon'/></svg>", []),
        ("<noscript><img src=/n.png></noscript>", ["/n.png"]),
        ("<img data-src=/l.png data-srcset='/l2.png 2x' src='data:image/gif;base64,R0'>", ["/l.png", "/l2.png"]),
        ("<div data-bg='url(/bg.png)'></div>", ["/bg.png"]),
        ("<div data-url=/share?x=1></div><div data-url=/x.jpg></div>", ["/x.jpg"]),
        ("<iframe src=/f.html data-src=/g.html></iframe><script src=/s.js></script><a href=/b.png>b</a>", []),
        ("<meta property=og:image content=/og.png><meta name=description content=/d>", ["/og.png"]),
        ('<script type=application/ld+json>{"@graph":[{"image":{"url":"/j.png"},"url":"/page"}]}</script>', ["/j.png"]),
        ("<script type=application/ld+json>{broken</script>", []),
        ("<input type=image src=/b.png><input src=/c.png>", ["/b.png"]),
        ("<object data=/d.svg></object><object data=/page.html type=text/html></object>", ["/d.svg"]),
        ("<table background=/t.png><tr><td background=/d.png></table>", ["/t.png", "/d.png"]),
        ("<img src='javascript:x'><img src='data:,'><img src='about:blank'><img src=''><img src='#top'>", []),
        ("<img src=/news/story>", []),
        ("", []),
        ("<img src='https://cdn.example:99999/a.png'>", ["https://cdn.example:99999/a.png"]),
    ],
)  # fmt: skip
def test_a_page_loads(html: str, found: list[str]) -> None:
    assert urls(html) == found


def test_what_two_things_load_is_found_once_with_the_more_urgent_kind() -> None:
    found = page_requisites("<meta property=og:image content=/a.png><img srcset='/a.png 2x'><img src=/a.png>", BASE)
    assert [(one.url, one.kind) for one in found] == [("https://courier.example/a.png", "image")]


def test_a_deep_or_huge_page_is_read() -> None:
    assert urls("<div>" * 100 + "<img src=/a.png>") == ["/a.png"]
    assert len(urls("".join(f"<img src=/{number}.png>" for number in range(20_000)))) == 20_000


@pytest.mark.parametrize(
    ("css", "found"),
    [
        ('@import url("/m.css") screen; @import "/t.css"; @import url(/u.css) supports(x: url(/no.png));',
         [("/m.css", "style"), ("/t.css", "style"), ("/u.css", "style")]),
        ("/* url(/c.png) */ a{color:red} b::after{content:'url(/s.png)'}", []),
        ("a{background:url( '/q.png' ), url(/r.png)}", [("/q.png", "image"), ("/r.png", "image")]),
        ("a{background:image-set('/1.png' 1x, url(/2.png) 2x)}", [("/1.png", "image"), ("/2.png", "image")]),
        ("@font-face{font-family:F;src:local('F'),url(/f.woff2) format('woff2')}", [("/f.woff2", "font")]),
        ("@media print{@font-face{src:url(/f.woff)} a{background:url(/p.png)}}",
         [("/f.woff", "font"), ("/p.png", "image")]),
        ("@supports (a:b){@media x{a{color:red}b{background:url(/n.png);color:blue}}}", [("/n.png", "image")]),
        ("@namespace svg url(http://www.w3.org/2000/svg);a{fill:url(#g)}", []),
        ("a{b:';}{'; background:url(/k.png)} c{d:e}", [("/k.png", "image")]),
        ("a{background:url(data:image/svg+xml;utf8,{};x)} b{background:url(/l.png)}", [("/l.png", "image")]),
        ("a{background:url(/open.png", [("/open.png", "image")]),
        ("a{background:url(/e\\)x.png)}", [("/e)x.png", "image")]),
        ("a{background:URL(/up.png)}", [("/up.png", "image")]),
        ("} a{background:url(/stray.png)}", [("/stray.png", "image")]),
    ],
)  # fmt: skip
def test_a_sheet_loads(css: str, found: list[tuple[str, str]]) -> None:
    assert loads(css) == found


def test_a_sheet_in_another_charset_is_read() -> None:
    assert sheet_requisites("a{background:url(/ü.png)}".encode("utf-16"), BASE)[0].url.endswith("/ü.png")
    latin = "a{background:url(/ü.png)}".encode("latin-1")
    assert sheet_requisites(latin, BASE, charset="iso-8859-1")[0].url.endswith("/ü.png")


def test_leaving_out_rules_that_load_nothing_loses_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = ("a{color:red}", "@media x{b{c:d}e{f:url(/1.png)}}", "@import '/2.css';", "g{h:i;j:url(/3.png);k:l}",
             "/* } { */", "m{n:'}'}", "@font-face{src:url(/4.woff)}", "o{p:url('/5.png')}")  # fmt: skip
    sheets = [
        " ".join(rules[(start + step * number) % 8] for number in range(8)) for start in range(8) for step in (1, 3, 5)
    ]
    sieved = [loads(css) for css in sheets]
    monkeypatch.setattr(module, "_loading_rules", lambda text: text)
    assert sieved == [loads(css) for css in sheets]


def test_all_of_the_sample_page_is_found(shared: object) -> None:
    """wget -p finds 12 of them."""
    site = SHARED / "prototypes" / "capture" / "site"
    found = page_requisites((site / "js.html").read_text(), "http://h/js.html")
    queue, seen = list(found), {one.url for one in found}
    while queue:
        one = queue.pop()
        path = site / one.url.removeprefix("http://h/")
        if one.kind == "style" and path.exists():
            queue += [more for more in sheet_requisites(path.read_bytes(), one.url) if more.url not in seen]
            seen |= {more.url for more in queue}
    assert len(seen) == 26
