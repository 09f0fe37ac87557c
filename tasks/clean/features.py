"""What the scorer looks at: one row of numbers a block, made from the page's flat lists.

All but one loop over the blocks' words is vectorised: a page of 200 blocks takes some 3 ms. A *row* is a block that
holds a word and is no control. A *node* is a block-level element; the nodes of a row are the one it stands in (1), that
one's parent node (2), and so on.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from tasks.clean.clues import Clues
from tasks.clean.lexicon import TAG_NUMBER
from tasks.clean.tags import names
from tasks.clean.walk import Page

__all__ = ["Nodes", "Table", "measure"]

Array: TypeAlias = Any  # of numpy; its own types would only hide the arithmetic

_WORD, _UPPER, _DIGIT, _STOP, _COMMA, _CJK, _END = (1 << shift for shift in range(7))
_TOKEN: Final = re.compile(r"[^\W\d_]+|\d")
_ASCII_TOKEN: Final = re.compile("[a-z]+|[0-9]")  # the same of lower-case ASCII, in two thirds of the time
_LETTER: Final = re.compile(r"\w")
_LOOKED_AT: Final = 280  # characters of a block whose words are looked up
_LOOKED_UP: Final = 40  # words of a block
_SHORT_LINE: Final = 40  # words
_H1, _H6 = TAG_NUMBER["h1"], TAG_NUMBER["h6"]  # the others lie between them
_BOLD: Final = names("b em i strong")
_PROSE_WORDS: Final = 12
_PROSE_LINKED: Final = 0.35
_FAR: Final = 31  # blocks; further away is as good as nowhere
_ANCESTORS: Final = (
    "article",
    "main",
    "aside",
    "nav",
    "footer",
    "form",
    "figure",
    "figcaption",
    "ol",
    "table",
    "blockquote",
    "pre",
    "section",
)
_ANCESTOR_BIT: Final = {tag: 1 << shift for shift, tag in enumerate(_ANCESTORS)}


def _kinds() -> Array:
    """What each character of the basic plane is, as bits."""
    kinds = np.zeros(0x10000, np.uint8)
    plane = "".join(map(chr, [*range(0xD800), *[0x20] * 0x800, *range(0xE000, 0x10000)]))
    for pattern, bit in ((r"\w+", _WORD), (r"\d+", _DIGIT)):
        for match in re.finditer(pattern, plane):
            kinds[match.start() : match.end()] |= bit
    for number in range(0x600):
        if plane[number].isupper():
            kinds[number] |= _UPPER
    for first, last in ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF)):
        kinds[first : last + 1] |= _CJK
    for chars, bit in ((".!?。！？", _STOP), (",、，", _COMMA), (".!?:;\"”»…。！？)]’'", _END)):
        for char in chars:
            kinds[ord(char)] |= bit
    return kinds


_KINDS: Final = _kinds()


@dataclass(frozen=True, slots=True)
class Nodes:
    """The block-level elements of a page, in document order; number 0 is the document."""

    element: Array  # number of each in the page
    parent: Array  # node
    first: Array  # first row inside
    last: Array  # row after the last one inside
    tag: Array  # TAG_NUMBER, -1 for others
    signature: Array  # number in `makes`, the same for nodes of one tag and class
    makes: list[tuple[str, str]]  # tag and class attribute
    end: Array  # node after the last one inside

    def above(self, values: Array) -> Array:
        """For each node the sum of the (whole) numbers of itself and of all nodes around it."""
        steps = np.concatenate([values, [0]])
        np.subtract.at(steps, self.end, values)
        return np.cumsum(steps[:-1])


class Table:
    """The rows of a page; `columns` has one line a feature, named in `names`.

    Every array but those of the nodes has one number a row.
    """

    words: Array  # how many
    length: Array  # their logarithm
    linked: Array  # share of the characters
    hidden: Array
    ended: Array  # with a full stop or the like
    good: Array  # prose: words enough, and few of them linked
    fair: Array  # sentences
    word_sum: Array  # before each row; one more than rows
    link_sum: Array
    prose_sum: Array
    all_prose: float  # words of prose, at least 1
    begin: int  # row where the longest run of prose begins
    title: int  # row that repeats the page's title, or -1
    heading: Array  # row of the last heading above, or -1
    is_heading: Array
    depth: Array  # of each node
    share: Array  # of the page's prose in each node
    within: Array  # in the node with most prose right in it
    signature: Array  # the same for rows whose nodes 1 and 2 have the same tags and classes

    def __init__(self, page: Page, blocks: list[int], texts: list[str]) -> None:
        self.page, self.blocks, self.texts = page, blocks, texts
        self.count = len(blocks)
        self.index = np.arange(self.count)
        self.names: list[str] = []
        self.columns: list[Any] = []
        self.tokens = [_tokens(text[:_LOOKED_AT].lower())[:_LOOKED_UP] for text in texts]
        self.text_start, self.text_end = _numbers(page.text_start), _numbers(page.text_end)
        self.sets = [set(tokens) for tokens in self.tokens]
        self.nodes, self.row_node, inline = _nodes(page, blocks)
        # Elements within a line that hold text.
        self.inline: list[int] = inline[self.text_end[inline] > self.text_start[inline]].tolist()
        parent = self.nodes.parent
        second = parent[self.row_node]
        third = parent[second]
        self.up = (self.row_node, second, third, parent[third])
        self.tag = self.nodes.tag[self.row_node]

    def add(self, name: str, values: Any) -> None:
        """One more column."""
        self.names.append(name)
        self.columns.append(values)

    def matrix(self) -> Array:
        """All columns as float32, (features, rows)."""
        out = np.empty((len(self.columns), self.count), np.float32)
        for number, values in enumerate(self.columns):
            out[number] = values
        return out


def measure(page: Page, clues: Clues) -> Table | None:
    """The rows of a page with all features but the lexical ones; None where it has none."""
    blocks, texts = [], []
    for block, control in enumerate(page.widget):
        if not control and _LETTER.search(text := page.block_text(block)):
            blocks.append(block)
            texts.append(text)
    if not blocks:
        return None
    table = Table(page, blocks, texts)
    _characters(table)
    _links(table)
    _lines(table, clues)
    _prose(table)
    _places(table)
    _containers(table)
    _cores(table)
    _signatures(table)
    _neighbours(table)
    return table


def _tokens(text: str) -> list[str]:
    """The words and digits of a lower-case text."""
    return (_ASCII_TOKEN if text.isascii() else _TOKEN).findall(text)


def _nodes(page: Page, blocks: list[int]) -> tuple[Nodes, Array, Array]:
    """The nodes of a page, the node of each row, and the elements that are no nodes."""
    line = _numbers(page.line)
    on_its_own = line == np.arange(len(line))
    element, inline = np.flatnonzero(on_its_own), np.flatnonzero(~on_its_own)
    node_of = np.zeros(len(line), np.intp)
    node_of[element] = np.arange(len(element))
    node_of = node_of[line]
    parent = node_of[_numbers(page.parent)[element]]
    parent[0] = 0
    rows_before = np.zeros(len(page.owner) + 1, np.intp)
    rows_before[_numbers(blocks) + 1] = 1
    np.cumsum(rows_before, out=rows_before)
    listed = element.tolist()
    known: dict[tuple[str, str], int] = {}
    signature = _numbers([known.setdefault((page.tag[n], page.classes[n]), len(known)) for n in listed])
    nodes = Nodes(
        element,
        parent,
        rows_before[_numbers(page.block_start)[element]],
        rows_before[_numbers(page.block_end)[element]],
        _numbers([TAG_NUMBER.get(tag, -1) for tag, _ in known])[signature],
        signature,
        list(known),
        np.searchsorted(element, _numbers(page.end)[element]),
    )
    return nodes, node_of[_numbers([page.owner[block] for block in blocks])], inline


def _numbers(values: list[int]) -> Array:
    """A list as an array; with its type told numpy takes two thirds of the time."""
    return np.array(values, np.intp)


def _running(values: Array) -> Array:
    """Sums before each place: the sum over rows a to b is out[b] - out[a]."""
    out = np.zeros(len(values) + 1)
    np.cumsum(values, out=out[1:])
    return out


def _characters(table: Table) -> None:
    """What the characters of each row tell."""
    joined = "\n".join(table.texts) + "\n"
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = _KINDS.take(codes, mode="clip")  # the last one of the basic plane is of no kind, as are all above
    lengths = _numbers(list(map(len, table.texts)))
    stops = np.cumsum(lengths + 1)
    starts, last = stops - lengths - 1, stops - 2
    word = (kinds & _WORD).view(bool)  # _WORD is bit 1
    begins = word.copy()
    begins[1:] &= ~word[:-1]

    def total(flags: Array) -> Array:
        return np.add.reduceat(flags, starts, dtype=np.int64)

    words = np.maximum(total(begins), 1).astype(np.float64)
    if not joined.isascii():
        ideographs = total(kinds & _CJK != 0)
        words = np.where(ideographs > words, words + ideographs // 2, words)
    table.words = words
    sentences = total(kinds & _STOP != 0)
    commas = total(kinds & _COMMA != 0)
    before_last = codes[np.maximum(last - 1, starts)]
    table.ended = (kinds[last] & _STOP) != 0
    table.length = np.log1p(words)
    table.add("lw", table.length)
    table.add("nsent", np.minimum(sentences, 12))
    table.add("nsent_w", sentences / words)
    table.add("ncomma_w", commas / words)
    table.add("cw", lengths / words)
    table.add("up", total(kinds & _UPPER != 0) / lengths)
    table.add("dig", total(kinds & _DIGIT != 0) / lengths)
    table.add("end", kinds[last] & _END != 0)
    table.add("stop", table.ended)
    table.add("q", total(codes == 0x3F) > 0)
    table.add("dots", (codes[last] == 0x2026) | ((codes[last] == 0x2E) & (before_last == 0x2E)))
    seen = Counter(table.texts)
    table.add("dup", np.minimum(list(map(seen.__getitem__, table.texts)), 9))


def _links(table: Table) -> None:
    """How much of each row is linked or bold; whether anybody sees it."""
    page = table.page
    sizes = _numbers([len(text.strip()) for text in page.texts])
    starts = _numbers(page.starts)[:-1]
    rows = _numbers(table.blocks)
    if len(sizes):
        whole = np.maximum(np.add.reduceat(sizes, starts), 1)[rows]
        linked = np.add.reduceat(sizes * np.array(page.linked, bool), starts)[rows]
    else:
        whole = linked = np.zeros(len(rows))
    table.linked = np.minimum(linked / whole, 1)
    links, bold = [0] * len(page.owner), [0.0] * len(page.owner)
    tags, text_start, text_end, block_start = page.tag, page.text_start, page.text_end, page.block_start
    before = _running(sizes).tolist()
    for n in table.inline:
        tag = tags[n]
        if tag == "a":
            links[block_start[n]] += 1
        elif tag in _BOLD:
            bold[block_start[n]] += before[text_end[n]] - before[text_start[n]]
    table.hidden = np.array(page.hidden, bool)[table.nodes.element[table.row_node]]
    table.add("ld", table.linked)
    table.add("nl", np.minimum(_numbers(links)[rows], 20))
    table.add("bold", np.minimum(np.array(bold)[rows] / whole, 1))
    table.add("hid", table.hidden)


def _lines(table: Table, clues: Clues) -> None:
    """What the rows share with the page's head: its title, description, authors, site."""
    short = table.words <= _SHORT_LINE
    sizes = np.maximum([len(words) for words in table.sets], 1)
    in_title = _shared(table, clues.title) * short
    table.add("tov", in_title / sizes)
    table.add("tov2", in_title / max(len(clues.title), 1))
    table.add("dov", np.where(sizes >= 4, _shared(table, clues.about) / sizes, 0))
    table.add("aov", _shared(table, clues.author) / max(len(clues.author), 1))
    table.add("sov", _shared(table, clues.site) / max(len(clues.site), 1))
    table.add("jld", _quoted(table, clues.body))
    overlap = in_title / sizes + in_title / max(len(clues.title), 1)
    best = int(np.argmax(overlap))
    table.title = best if overlap[best] >= 1.2 else -1
    table.add("title_d", np.clip(table.index - best, -60, 60) if table.title >= 0 else -99)


def _shared(table: Table, words: frozenset[str]) -> Array:
    """How many of its first words each row shares with `words`."""
    return np.array([len(own & words) for own in table.sets]) if words else np.zeros(table.count)


def _quoted(table: Table, body: str) -> Any:
    """Which share of each row's words, in threes, stands in the article's text as the page's data have it."""
    if not body:
        return -1.0
    known = _shingles(_tokens(body.lower()))
    pieces = [_shingles(tokens) for tokens in table.tokens]
    return np.array([len(own & known) / len(own) if own else 0.5 for own in pieces])


def _shingles(tokens: list[str]) -> set[tuple[str, ...]]:
    return set(zip(tokens, tokens[1:], tokens[2:], strict=False))


def _prose(table: Table) -> None:
    """Where the page's prose lies, and where each row stands to it and to the headings."""
    words, index, count = table.words, table.index, table.count
    good = (words >= _PROSE_WORDS) & (table.linked < _PROSE_LINKED) & ~table.hidden
    fair = (words >= 5) & (table.linked < 0.5) & table.ended
    table.good, table.fair = good, fair
    table.word_sum, table.link_sum = _running(words), _running(words * table.linked)
    table.prose_sum = _running(words * good)
    table.all_prose = max(table.prose_sum[-1], 1.0)
    # The longest dense run: words of prose count for it, each other row against it.
    gain = np.where(good | fair, words, -6.0)
    sums = _running(gain)
    low = np.minimum.accumulate(sums[:-1])
    end = int(np.argmax(sums[1:] - low))
    begin = int(np.argmin(sums[: end + 1]))
    table.begin = begin
    table.add("run_before", np.clip((begin - index) / 10, 0, 9))
    table.add("run_after", np.clip((index - end) / 10, 0, 9))
    table.add("in_run", (index >= begin) & (index <= end))
    table.add("pos", index / count)
    table.add("cum", table.word_sum[:-1] / table.word_sum[-1])
    table.add("cumP", table.prose_sum[:-1] / table.all_prose)
    table.add("n", np.log1p(count))
    table.add("gt", np.log1p(table.all_prose))
    before = _latest(np.where(good, index, -1))
    after = count - 1 - _latest(np.where(good[::-1], index, -1))[::-1]
    table.add("pg", np.where(before >= 0, np.minimum(index - before, 30), _FAR))
    table.add("ng", np.where(after < count, np.minimum(after - index, 30), _FAR))
    second = table.up[1]
    table.add("pgs", (second[np.maximum(before, 0)] == second) & (before >= 0))
    table.add("ngs", (second[np.minimum(after, count - 1)] == second) & (after < count))
    first_lines = np.flatnonzero((table.nodes.tag == _H1) & (table.nodes.last > table.nodes.first))
    if len(first_lines):
        rows = table.nodes.first[first_lines]
        headline = int(rows[np.argmin(np.abs(rows - begin))])
        table.add("h1d", np.clip(index - headline, -60, 60))
        table.add("h1run", np.clip(begin - headline, -50, 50))
    else:
        table.add("h1d", -99)
        table.add("h1run", -99)
    table.add("nh1", min(len(first_lines), 9))
    is_heading = (table.tag >= _H1) & (table.tag <= _H6)
    above = _latest(np.where(is_heading, index, -1))
    table.heading, table.is_heading = above, is_heading
    known = above >= 0
    table.add("hd", np.where(known, np.minimum(index - above, 30), _FAR))
    table.add("htag", np.where(known, table.tag[above], -1))
    table.add("hlen", np.where(known, table.length[above], -1))
    table.add("hld", np.where(known, table.linked[above], -1))
    # Since the line that repeats the title: words, and headings of the rank of that line's.
    title = max(table.title, 0)
    table.add("wordssince", np.log1p(np.maximum(table.word_sum[:-1] - table.word_sum[title], 0)))
    headings = np.cumsum(table.tag == table.tag[title]) if is_heading[title] else np.cumsum(is_heading)
    table.add("hsince", np.clip(headings - headings[title], -20, 20) if table.title >= 0 else -99)


def _latest(marked: Array) -> Array:
    """The last marked row before each row, -1 where there is none."""
    out = np.empty(len(marked), np.intp)
    out[0] = -1
    np.maximum.accumulate(marked[:-1], out=out[1:])
    return out


def _places(table: Table) -> None:
    """What the tags around a row tell."""
    nodes = table.nodes
    around = np.array([_ANCESTOR_BIT.get(tag, 0) for tag, _ in nodes.makes])[nodes.signature]
    upward = nodes.parent
    while upward.any():  # each round looks twice as far up
        around |= around[upward]
        upward = upward[upward]
    articles = np.cumsum(nodes.tag == TAG_NUMBER["article"]) - 1
    first, second, third, _ = table.up
    table.depth = nodes.above(np.ones(len(nodes.tag), np.int64)) - 1
    all_around = around[first]
    for number, tag in enumerate(_ANCESTORS):
        table.add(f"in_{tag}", all_around >> number & 1)
    table.add("depth", table.depth[first])
    table.add("tag", table.tag)
    table.add("ptag", nodes.tag[second])
    table.add("gptag", nodes.tag[third])
    table.add("article", np.minimum(articles[first], 9))
    table.add("narticle", min(int(articles[-1]) + 1, 20))


def _containers(table: Table) -> None:
    """What the nodes around a row hold."""
    nodes = table.nodes

    def inside(sums: Array) -> Array:
        return sums[nodes.last] - sums[nodes.first]

    words, linked = inside(table.word_sum), inside(table.link_sum)
    prose, dense = inside(table.prose_sum), inside(_running(table.good))
    fair, rows = inside(_running(table.fair)), np.maximum(nodes.last - nodes.first, 1)
    kinds = nodes.parent * (int(nodes.signature.max()) + 1) + nodes.signature
    _, which, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    paragraphs = np.bincount(nodes.parent[1:], nodes.tag[1:] == TAG_NUMBER["p"], minlength=len(rows))
    table.share = prose / table.all_prose
    columns = {
        "share": table.share,
        "ld": linked / np.maximum(words, 1),
        "w": np.log1p(words),
        "b": np.log1p(rows),
        "g": dense / rows,
        "g2": fair / rows,
        "sib": np.minimum(counts[which], 30),
        "np": np.minimum(paragraphs, 30),
        "avg": np.log1p(words / rows),
    }
    for level, node in enumerate(table.up, 1):
        for name, values in columns.items():
            table.add(f"a{level}{name}", values[node])


def _cores(table: Table) -> None:
    """Where the smallest containers of much of the prose lie."""
    nodes, index, words = table.nodes, table.index, table.words
    first, second, third, _ = table.up
    prose = words * table.good
    size = len(nodes.tag)
    direct = (
        np.bincount(second, prose, size) + np.bincount(third, prose, size) / 2 + np.bincount(first, prose, size) * 0.3
    )
    cores = {
        "best": int(np.argmax(direct)),
        "50": int(np.flatnonzero(table.share >= 0.5)[-1]) if table.share[0] >= 0.5 else 0,
        "75": int(np.flatnonzero(table.share >= 0.75)[-1]) if table.share[0] >= 0.75 else 0,
    }
    for name, node in cores.items():
        within = (index >= nodes.first[node]) & (index < nodes.last[node])
        if name == "best":
            table.within = within
        table.add(f"in{name}", within)
        table.add(f"d{name}", np.where(within, table.depth[first] - table.depth[node], -1))
        table.add(f"sh{name}", float(table.share[node]))
    rows = np.flatnonzero(table.good & table.within)
    if not len(rows):
        rows = np.flatnonzero(table.good)
    begin, end = (rows[0], rows[-1]) if len(rows) else (0, table.count - 1)
    table.add("bf", np.clip((index - begin) / 10, -9, 0))
    table.add("af", np.clip((index - end) / 10, 0, 9))


def _signatures(table: Table) -> None:
    """What rows in places of the same make hold, page-wide."""
    first, second = table.nodes.signature[table.up[0]], table.nodes.signature[table.up[1]]
    alone = np.bincount(first, table.words)
    table.add("sg1w", np.log1p(alone)[first])
    table.add("sg1p", (np.bincount(first, table.words * table.good) / table.all_prose)[first])
    table.add("sg1ld", (np.bincount(first, table.words * table.linked) / np.maximum(alone, 1))[first])
    _, which = np.unique(first * (int(table.nodes.signature.max()) + 1) + second, return_inverse=True)
    table.signature = which
    words, number = np.bincount(which, table.words), np.bincount(which)
    linked = np.bincount(which, table.words * table.linked)
    table.add("sgw", np.log1p(words)[which])
    table.add("sgn", np.log1p(number)[which])
    table.add("sgld", (linked / np.maximum(words, 1))[which])
    table.add("sgp", (np.bincount(which, table.words * table.good) / table.all_prose)[which])
    table.add("sgavg", np.log1p(words / number)[which])
    table.add("sginb", (np.bincount(which, table.within) / number)[which])


def shifted(values: Array, by: int, empty: float) -> Array:
    """The values of the rows `by` further on."""
    out = np.full(len(values), empty, np.float64)
    if abs(by) < len(values):
        if by > 0:
            out[:-by] = values[by:]
        else:
            out[-by:] = values[:by]
    return out


def _neighbours(table: Table) -> None:
    """The rows before and after."""
    second, count, index = table.up[1], table.count, table.index
    for by in (-3, -2, -1, 1, 2, 3):
        table.add(f"lw{by}", shifted(table.length, by, -1))
        table.add(f"ld{by}", shifted(table.linked, by, -1))
        table.add(f"tag{by}", shifted(table.tag, by, -2))
    for by in (-1, 1):
        table.add(f"stop{by}", shifted(table.ended, by, -1))
        table.add(f"par{by}", shifted(second, by, -1) == second)
        table.add(f"sig{by}", shifted(table.signature, by, -1) == table.signature)
    for reach in (2, 5, 10):
        low, high = np.maximum(index - reach, 0), np.minimum(index + reach + 1, count)
        words = table.word_sum[high] - table.word_sum[low]
        table.add(f"win{reach}w", np.log1p(words / (high - low)))
        table.add(f"win{reach}l", (table.link_sum[high] - table.link_sum[low]) / words)
        table.add(f"win{reach}p", (table.prose_sum[high] - table.prose_sum[low]) / words)
