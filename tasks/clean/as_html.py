"""The article as clean HTML: allow-listed tags and attributes, absolute addresses, nothing that runs."""

from html import escape
from typing import Final

from bs4.element import NavigableString, Tag

from tasks.clean.links import Links
from tasks.clean.maths import has_tex
from tasks.clean.soup import Kept
from tasks.clean.tags import BLOCK_TAGS, VOID_TAGS, code_language, names

__all__ = ["as_html"]

_LINES: Final = names(
    "blockquote caption dd details dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr li ol p pre summary table tbody td "
    "tfoot th thead tr ul"
)
_WORDS: Final = names(
    "abbr b bdi bdo br cite code del dfn em i ins kbd mark q rp rt ruby s samp small strong sub sup time "
    "u var wbr "
    "math merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt mstyle "
    "msub msubsup msup mtable mtd mtext mtr munder munderover"
)
_EVERYWHERE: Final = ("lang", "dir")
_ATTRIBUTES: Final = {
    "abbr": ("title",),
    "details": ("open",),
    "li": ("value",),
    "math": ("display", "alttext"),
    "ol": ("start", "type", "reversed"),
    "td": ("colspan", "rowspan"),
    "th": ("colspan", "rowspan", "scope"),
    "time": ("datetime",),
}
_HOLD_BLOCKS: Final = BLOCK_TAGS - names("p pre h1 h2 h3 h4 h5 h6 dt summary ul ol tr table tbody thead tfoot") | {
    "[document]"
}
_FLAGS: Final = frozenset({"open", "reversed"})  # these say something without a value


def as_html(kept: Kept, links: Links) -> str:
    """What is left in the soup; other tags than the allowed ones are transparent."""
    return _Writer(kept, links).write()


_ANCHOR: Final = "ref-"  # before every id: a page must not be able to name things of whoever shows the article


class _Writer:
    """Goes through the soup with a stack of its own: any depth."""

    def __init__(self, kept: Kept, links: Links) -> None:
        self.kept, self.links = kept, links
        self.holders = set(kept.captions.values())

    def write(self) -> str:
        """The whole text."""
        out: list[str] = []
        stack = [("", iter(self.kept.soup.contents))]
        while stack:
            end, children = stack[-1]
            for child in children:
                if isinstance(child, Tag):
                    start, closing = self._tag(child)
                    out.append(start)
                    if child.contents:
                        stack.append((closing, iter(child.contents)))
                        break
                    out.append(closing)
                elif isinstance(child, NavigableString):
                    out.append(escape(child, quote=False) if "&" in child or "<" in child or ">" in child else child)
            else:
                stack.pop()
                out.append(end)
        return "".join(out).strip()

    def _tag(self, tag: Tag) -> tuple[str, str]:
        """The tag as it may go out, and what closes it; both empty where nothing of it may."""
        name = tag.name
        if self.kept.captions and (shown := self._of_picture(tag)):
            return shown
        if name == "a":
            return self._link(tag)
        if name in _LINES or name in _WORDS:
            if name == "math" and has_tex(tag):
                return '<code class="language-tex">', "</code>"
            start = f"<{name}{self._attributes(tag)}>" if tag.attrs else f"<{name}>"
            if name in VOID_TAGS:
                return start, ""
            return start, f"</{name}>\n" if name in _LINES else f"</{name}>"
        if name == "img":
            return self._picture(tag), ""
        if name == "iframe":
            return self._frame(tag), ""
        if "dir" in tag.attrs or ("lang" in tag.attrs and name not in ("html", "body")):
            name = "div" if name in BLOCK_TAGS else "span"
            return f"<{name}{self._attributes(tag)}>", f"</{name}>\n" if name == "div" else f"</{name}>"
        return "", ""

    def _of_picture(self, tag: Tag) -> tuple[str, str] | None:
        """A caption, and what holds it together with its picture, whatever tags the page has for them."""
        if self.kept.is_caption(tag):
            start, end = f"<figcaption{self._attributes(tag)}>", "</figcaption>\n"
            return (start, end) if self.kept.captions[tag.sourcepos or 0] else (f"<figure>{start}", f"{end}</figure>\n")
        if tag.sourcepos in self.holders and self.kept.is_element(tag):
            return f"<figure{self._attributes(tag)}>", "</figure>\n"
        first = tag.contents[0] if tag.contents and not self.kept.is_element(tag) else None
        if isinstance(first, Tag) and self.kept.is_caption(first):
            return "", ""  # a <p> of ours around an inline caption
        return None

    def _attributes(self, tag: Tag) -> str:
        """What may stand in a tag of the article."""
        attrs, shown = tag.attrs, ""
        for name in (*_EVERYWHERE, *_ATTRIBUTES.get(tag.name, ())):
            if name in attrs and (attrs[name] or name in _FLAGS):
                shown += f' {name}="{escape(str(attrs[name]))}"'
        if tag.name in ("blockquote", "q") and (address := self.links.absolute(str(attrs.get("cite") or ""))):
            shown += f' cite="{escape(address)}"'
        elif tag.name == "code" and (language := code_language(str(attrs.get("class") or ""))):
            shown += f' class="language-{escape(language)}"'
        anchor = attrs.get("id") or (attrs.get("name") if tag.name == "a" else "")
        if anchor and anchor in self.kept.anchors:
            shown += f' id="{_ANCHOR}{escape(str(anchor))}"'
        return shown

    def _link(self, tag: Tag) -> tuple[str, str]:
        value = str(tag.get("href") or "")
        address = self.links.absolute(value)
        fragment = value.partition("#")[2]
        if fragment in self.kept.anchors and self.links.is_here(address):
            address = f"#{_ANCHOR}{fragment}"  # a note and its way back work without the page
        title = f' title="{escape(str(tag["title"]))}"' if tag.get("title") else ""
        if address:
            return f'<a href="{escape(address)}"{title}{self._attributes(tag)}>', "</a>"
        attributes = self._attributes(tag)
        return (f"<span{attributes}>", "</span>") if attributes else ("", "")

    def _picture(self, tag: Tag) -> str:
        address = self.links.picture(tag.attrs)
        if not address:
            return ""
        rest = (name for name in ("lang", "dir", "alt", "title", "width", "height") if tag.get(name) or name == "alt")
        shown = "".join(f' {name}="{escape(str(tag[name]))}"' for name in rest if name in tag.attrs)
        return f'<img src="{escape(address)}"{shown}>'

    def _frame(self, tag: Tag) -> str:
        """A link to what the frame shows; its title tells it from the words of the page."""
        address, name = self.links.frame(tag.attrs)
        if not name or (tag.parent and tag.parent.name == "a"):
            return ""
        link = f'<a href="{escape(address)}" title="embedded">{escape(name)}</a>'
        return f"<p>{link}</p>\n" if tag.parent and tag.parent.name in _HOLD_BLOCKS else link
