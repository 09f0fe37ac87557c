"""What the scorer looks at: one row of numbers a block, made from the page's flat lists.

All but one loop over the blocks' words is vectorised: a page of 200 blocks takes some 3 ms. A *row* is a block that
holds a word and is no control. A *node* is a block-level element; the nodes of a row are the one it stands in (1), that
one's parent node (2), and so on.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tasks.clean.clues import Clues
from tasks.clean.lexicon import LINE_GROUPS, PLACE_GROUPS, TAG_NUMBER, class_tokens, line_bits, place_bits
from tasks.clean.tags import names
from tasks.clean.walk import Page

__all__ = ["Nodes", "Table", "measure"]

Array = npt.NDArray[Any]

_WORD, _UPPER, _DIGIT, _STOP, _COMMA, _CJK, _MARK, _END = (1 << shift for shift in range(8))
_TOKEN: Final = re.compile(r"[^\W\d_]+|\d")
_LETTER: Final = re.compile(r"\w")
_LOOKED_AT: Final = 400  # characters of a block whose words are looked up
_LOOKED_UP: Final = 40  # words of a block
_SHORT_LINE: Final = 40  # words
_HEADINGS: Final = tuple(TAG_NUMBER[f"h{level}"] for level in range(1, 7))
_BOLD: Final = names("b em i strong")
_PROSE_WORDS: Final = 12
_PROSE_LINKED: Final = 0.35
_FAR: Final = 31  # blocks; further away is as good as nowhere
_ANCESTORS: Final = tuple(
    "article main aside nav header footer form figure figcaption ul ol table blockquote pre details section dl".split()
)
_QUOTES: Final = np.array([ord(char) for char in '"“„«‘»'])
_ANCESTOR_BIT: Final = {tag: 1 << shift for shift, tag in enumerate(_ANCESTORS)}
_PLACE_SHIFT: Final = len(_ANCESTORS)  # bits of class names come after those of tags
_MEMO_SIZE: Final = 50_000  # a page may hold any number of distinct names: memory must not grow with them


def _kinds() -> npt.NDArray[np.uint8]:
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
    for chars, bit in ((".!?。！？", _STOP), (",、，", _COMMA), ("|»›•", _MARK), ('.!?:;"”»…。！？)]’\'', _END)):
        for char in chars:
            kinds[ord(char)] |= bit
    return kinds


_KINDS: Final = _kinds()


class _Names:
    """What class names and ids tell, remembered from page to page."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def bits(self, value: str) -> int:
        """The kinds of place that the value of a class or id attribute tells of."""
        bits = self.known.get(value)
        if bits is None:
            bits = 0
            for token in class_tokens(value):
                bits |= place_bits(token)
            if len(self.known) >= _MEMO_SIZE:
                self.known.clear()
            self.known[value] = bits
        return bits


_names = _Names()


@dataclass(frozen=True, slots=True)
class Nodes:
    """The block-level elements of a page, in document order; number 0 is the document."""

    element: Array  # number of each in the page
    parent: Array  # node
    first: Array  # first row inside
    last: Array  # row after the last one inside
    tag: Array  # TAG_NUMBER, -1 for others
    signature: Array  # the same for nodes of one tag and class


class Table:
    """The rows of a page; `columns` has one line a feature, named in `names`.

    blocks and texts of the rows; tokens (their first words, lower-case); words (how many); nodes; up (nodes 1 to 4 of
    each row); signature (the same for rows whose nodes 1 and 2 have the same signatures); heading (row of the last
    heading above, or -1).
    """

    def __init__(self, page: Page, blocks: list[int], texts: list[str]) -> None:
        self.page, self.blocks, self.texts = page, blocks, texts
        self.count = len(blocks)
        self.index = np.arange(self.count)
        self.names: list[str] = []
        self.columns: list[Any] = []
        self.tokens = [_TOKEN.findall(text[:_LOOKED_AT].lower())[:_LOOKED_UP] for text in texts]
        self.nodes, self.row_node = _nodes(page, blocks)
        parent = self.nodes.parent
        second = parent[self.row_node]
        third = parent[second]
        self.up = (self.row_node, second, third, parent[third])
        self.tag = self.nodes.tag[self.row_node]

    def add(self, name: str, values: Any) -> None:
        """One more column."""
        self.names.append(name)
        self.columns.append(values)

    def add_bits(self, prefix: str, masks: Array, labels: Sequence[str], shift: int = 0) -> None:
        """A column for each bit of `masks`."""
        for number, label in enumerate(labels):
            self.add(prefix + label, masks >> (shift + number) & 1)

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


def _nodes(page: Page, blocks: list[int]) -> tuple[Nodes, Array]:
    """The nodes of a page, and the node of each row."""
    line = np.array(page.line)
    element = np.flatnonzero(line == np.arange(len(line)))
    node_of = np.zeros(len(line), np.intp)
    node_of[element] = np.arange(len(element))
    node_of = node_of[line]
    parent = node_of[np.array(page.parent)[element]]
    parent[0] = 0
    rows_before = np.zeros(len(page.owner) + 1, np.intp)
    rows_before[np.array(blocks) + 1] = 1
    np.cumsum(rows_before, out=rows_before)
    listed = element.tolist()
    known: dict[tuple[str, str], int] = {}
    signature = np.array([known.setdefault((page.tag[n], page.classes[n]), len(known)) for n in listed])
    nodes = Nodes(
        element,
        parent,
        rows_before[np.array(page.block_start)[element]],
        rows_before[np.array(page.block_end)[element]],
        np.array([TAG_NUMBER.get(page.tag[n], -1) for n in listed]),
        signature,
    )
    return nodes, node_of[np.array([page.owner[block] for block in blocks])]


def _running(values: Array) -> Array:
    """Sums before each place: the sum over rows a to b is out[b] - out[a]."""
    out = np.zeros(len(values) + 1)
    np.cumsum(values, out=out[1:])
    return out


def _characters(table: Table) -> None:
    """What the characters of each row tell."""
    joined = "\n".join(table.texts) + "\n"
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = _KINDS[np.minimum(codes, 0xFFFF)]
    lengths = np.array([len(text) for text in table.texts])
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
    table.words, table.chars = words, lengths
    table.sentences = total(kinds & _STOP != 0)
    commas = total(kinds & _COMMA != 0)
    before_last = codes[np.maximum(last - 1, starts)]
    table.ended = (kinds[last] & _STOP) != 0
    table.colon = codes[last] == 0x3A
    table.length = np.log1p(words)
    table.add("lw", table.length)
    table.add("nsent", np.minimum(table.sentences, 12))
    table.add("nsent_w", table.sentences / words)
    table.add("ncomma_w", commas / words)
    table.add("cw", lengths / words)
    table.add("up", total(kinds & _UPPER != 0) / lengths)
    table.add("dig", total(kinds & _DIGIT != 0) / lengths)
    table.add("end", kinds[last] & _END != 0)
    table.add("stop", table.ended)
    table.add("up0", kinds[starts] & _UPPER != 0)
    table.add("alpha0", kinds[starts] & (_WORD | _DIGIT) == _WORD)
    table.add("quote0", np.isin(codes[starts], _QUOTES))
    table.add("q", total(codes == 0x3F) > 0)
    table.add("pipe", total(kinds & _MARK != 0) > 0)
    table.add("colon", table.colon)
    table.add("copy", total(codes == 0xA9) > 0)
    table.add("dots", (codes[last] == 0x2026) | ((codes[last] == 0x2E) & (before_last == 0x2E)))
    seen = Counter(table.texts)
    table.add("dup", np.array([min(seen[text], 9) for text in table.texts]))


def _links(table: Table) -> None:
    """How much of each row is linked or bold; whether anybody sees it."""
    page = table.page
    sizes = np.array([len(text.strip()) for text in page.texts])
    starts = np.array(page.starts)[:-1]
    rows = np.array(table.blocks)
    if len(sizes):
        whole = np.maximum(np.add.reduceat(sizes, starts), 1)[rows]
        linked = np.add.reduceat(sizes * np.array(page.linked), starts)[rows]
    else:
        whole = linked = np.zeros(len(rows))
    table.linked = np.minimum(linked / whole, 1)
    inline = [
        n for n, tag in enumerate(page.tag) if (tag == "a" or tag in _BOLD) and page.text_end[n] > page.text_start[n]
    ]
    links, bold = np.zeros(len(page.owner)), np.zeros(len(page.owner))
    before = _running(sizes)
    for n in inline:
        block = page.block_start[n]
        if page.tag[n] == "a":
            links[block] += 1
        else:
            bold[block] += before[page.text_end[n]] - before[page.text_start[n]]
    table.hidden = np.array(page.hidden)[table.nodes.element[table.row_node]]
    table.add("ld", table.linked)
    table.add("nl", np.minimum(links[rows], 20))
    table.add("bold", np.minimum(bold[rows] / whole, 1))
    table.add("hid", table.hidden)


def _lines(table: Table, clues: Clues) -> None:
    """What the words of short rows tell, and what they share with the page's head."""
    bits, hits = [], []
    columns: dict[str, list[float]] = {name: [] for name in ("tov", "tov2", "dov", "aov", "sov", "jld")}
    title, about, author, site = clues.title, clues.about, clues.author, clues.site
    body = _shingles(_TOKEN.findall(clues.body.lower())) if clues.body else None
    short_rows = (table.words <= _SHORT_LINE).tolist()
    for tokens, short in zip(table.tokens, short_rows, strict=True):
        found = 0
        known: list[int] = []
        own = set(tokens)
        size = len(own) or 1
        if short:
            known = [bit for bit in map(line_bits, tokens) if bit]
            for bit in known:
                found |= bit
        bits.append(found)
        hits.append(len(known))
        shared = len(own & title) if short and title else 0
        columns["tov"].append(shared / size)
        columns["tov2"].append(shared / len(title) if shared else 0.0)
        columns["dov"].append(len(own & about) / size if size >= 4 and about else 0.0)
        columns["aov"].append(len(own & author) / len(author) if author else 0.0)
        columns["sov"].append(len(own & site) / len(site) if site else 0.0)
        if body is None:
            columns["jld"].append(-1.0)
        else:
            pieces = _shingles(tokens)
            columns["jld"].append(len(pieces & body) / len(pieces) if pieces else 0.5)
    table.line_bits = np.array(bits)
    table.hits = np.array(hits)
    table.add("nm", table.hits)
    for name, values in columns.items():
        table.add(name, np.array(values))
    table.add_bits("w_", table.line_bits, LINE_GROUPS)
    overlap = np.array(columns["tov2"]) + np.array(columns["tov"])
    best = int(np.argmax(overlap))
    near = np.clip(table.index - best, -60, 60) if overlap[best] >= 1.2 else np.full(table.count, -99)
    table.add("title_d", near)


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
    first_lines = np.flatnonzero((table.nodes.tag == TAG_NUMBER["h1"]) & (table.nodes.last > table.nodes.first))
    if len(first_lines):
        rows = table.nodes.first[first_lines]
        headline = int(rows[np.argmin(np.abs(rows - begin))])
        table.add("h1d", np.clip(index - headline, -60, 60))
        table.add("h1run", np.clip(begin - headline, -50, 50))
    else:
        table.add("h1d", -99)
        table.add("h1run", -99)
    table.add("nh1", min(len(first_lines), 9))
    is_heading = np.isin(table.tag, _HEADINGS)
    above = _latest(np.where(is_heading, index, -1))
    table.heading, table.is_heading = above, is_heading
    known = above >= 0
    table.add("hd", np.where(known, np.minimum(index - above, 30), _FAR))
    table.add("htag", np.where(known, table.tag[above], -1))
    table.add("hlen", np.where(known, table.length[above], -1))
    table.add_bits("h_", np.where(known, table.line_bits[above], 0), LINE_GROUPS)


def _latest(marked: Array) -> Array:
    """The last marked row before each row, -1 where there is none."""
    out = np.empty(len(marked), np.intp)
    out[0] = -1
    np.maximum.accumulate(marked[:-1], out=out[1:])
    return out


def _places(table: Table) -> None:
    """What tags, classes and ids around a row tell."""
    page, nodes = table.page, table.nodes
    own, around, depth, articles = [], [], [], []
    article = -1
    listed = nodes.element.tolist()
    bits_of, known = _names.bits, _names.known
    for n, parent in zip(listed, nodes.parent.tolist(), strict=True):
        tag, value = page.tag[n], page.classes[n]
        bits = 0
        if value:
            bits = known.get(value, -1)
            if bits < 0:
                bits = bits_of(value)
        if value := page.idents[n]:
            bits |= bits_of(value)
        bits = bits << _PLACE_SHIFT | _ANCESTOR_BIT.get(tag, 0)
        own.append(bits)
        if n:
            around.append(around[parent] | bits)
            depth.append(depth[parent] + 1)
        else:
            around.append(bits)
            depth.append(0)
        if tag == "article":
            article += 1
        articles.append(article)
    first, second, third, _ = table.up
    table.depth = np.array(depth)
    mine, all_around = np.array(own), np.array(around)[first]
    near = mine[first] | mine[second] | mine[third]
    for number, tag in enumerate(_ANCESTORS):
        table.add(f"in_{tag}", all_around >> number & 1)
    table.add_bits("kwa_", all_around, PLACE_GROUPS, _PLACE_SHIFT)
    table.add_bits("kws_", mine[first], PLACE_GROUPS, _PLACE_SHIFT)
    table.add_bits("kwn_", near, PLACE_GROUPS, _PLACE_SHIFT)
    items = np.array(page.item)[nodes.element[first]]
    table.add("item", items)
    table.add("hasitem", bool(items.any()))
    table.add("depth", table.depth[first])
    table.add("tag", table.tag)
    table.add("ptag", nodes.tag[second])
    table.add("gptag", nodes.tag[third])
    table.add("article", np.minimum(np.array(articles)[first], 9))
    table.add("narticle", min(article + 1, 20))


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
    direct = np.bincount(second, prose, size) + np.bincount(third, prose, size) / 2 + np.bincount(first, prose, size) * 0.3
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
        table.add(f"stop{by}", shifted(table.ended, by, -1))
        table.add(f"par{by}", shifted(second, by, -1) == second)
        table.add(f"sig{by}", shifted(table.signature, by, -1) == table.signature)
    for by in (-1, 1):
        table.add(f"nm{by}", shifted(table.hits, by, 0))
        table.add(f"colon{by}", shifted(table.colon, by, 0))
    for reach in (2, 5, 10):
        low, high = np.maximum(index - reach, 0), np.minimum(index + reach + 1, count)
        words = table.word_sum[high] - table.word_sum[low]
        table.add(f"win{reach}w", np.log1p(words / (high - low)))
        table.add(f"win{reach}l", (table.link_sum[high] - table.link_sum[low]) / words)
        table.add(f"win{reach}p", (table.prose_sum[high] - table.prose_sum[low]) / words)
