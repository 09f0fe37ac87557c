"""The article as clean HTML: allow-listed tags and attributes, absolute addresses, nothing that runs."""

from html import escape
from typing import Final

from bs4.element import NavigableString, Tag

from tasks.clean.embeds import embed_name
from tasks.clean.links import Links
from tasks.clean.tags import VOID_TAGS, names

__all__ = ["as_html"]

_LINES: Final = names(
    "blockquote caption dd dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr li ol p pre table tbody td tfoot th thead tr ul"
)
_WORDS: Final = names(
    "a abbr b bdi bdo br cite code del dfn em i img ins kbd mark q rp rt ruby s samp small strong sub sup time "
    "u var wbr"
)
_EVERYWHERE: Final = ("lang", "dir")
_ATTRIBUTES: Final = {
    "a": ("title",),
    "abbr": ("title",),
    "img": ("alt", "title", "width", "height"),
    "ol": ("start", "type", "reversed"),
    "td": ("colspan", "rowspan"),
    "th": ("colspan", "rowspan", "scope"),
    "time": ("datetime",),
    "code": ("class",),  # language-python and the like, nothing else
    "bdo": (),
}


def as_html(soup: Tag, links: Links) -> str:
    """What is left in the soup; other tags than the allowed ones are transparent."""
    out: list[str] = []
    stack = [("", iter(soup.contents))]
    while stack:
        end, children = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            out.append(end)
        elif isinstance(child, Tag):
            if child.name == "iframe":
                out.append(_frame(child, links))
            elif child.name in _LINES or child.name in _WORDS:
                start, end = _tag(child, links)
                out.append(start)
                if child.name not in VOID_TAGS:
                    stack.append((end, iter(child.contents)))
            else:
                stack.append(("", iter(child.contents)))
        elif isinstance(child, NavigableString):
            out.append(escape(child, quote=False))
    return "".join(out).strip()


def _tag(tag: Tag, links: Links) -> tuple[str, str]:
    """The tag as it may go out, and what closes it; both empty where nothing of it may."""
    attributes = {name: value if isinstance(value, str) else " ".join(value) for name, value in tag.attrs.items()}
    allowed = {name: attributes[name] for name in (*_EVERYWHERE, *_ATTRIBUTES.get(tag.name, ())) if name in attributes}
    if tag.name == "a":
        address = links.absolute(attributes.get("href", ""))
        if not address:
            return "", ""
        allowed = {"href": address, **allowed}
    elif tag.name == "img":
        address = links.picture(attributes)
        if not address:
            return "", ""
        allowed = {"src": address, **allowed}
    elif tag.name in ("blockquote", "q") and (address := links.absolute(attributes.get("cite", ""))):
        allowed["cite"] = address
    elif "class" in allowed:
        allowed["class"] = next((name for name in allowed["class"].split() if name.startswith("language-")), "")
    allowed = {name: value for name, value in allowed.items() if value or name == "alt"}
    shown = "".join(f' {name}="{escape(value)}"' for name, value in allowed.items())
    end = f"</{tag.name}>\n" if tag.name in _LINES else f"</{tag.name}>"
    return f"<{tag.name}{shown}>", end


def _frame(tag: Tag, links: Links) -> str:
    """A paragraph with a link to what the frame shows; nothing for frames of unknown hosts."""
    address = links.frame({name: str(value) for name, value in tag.attrs.items()})
    name = embed_name(address) if address else ""
    return f'<p><a href="{escape(address)}">{escape(name)}</a></p>\n' if name else ""
