import inspect
import pickle
import re

import pytest

from tasks import errors
from tasks.errors import PermanentError, TearsheetError, TransientError

CLASSES = [item for item in vars(errors).values() if inspect.isclass(item) and issubclass(item, TearsheetError)]
LEAVES = [item for item in CLASSES if not item.__subclasses__()]


def drawn(docstring: str) -> dict[str, str]:
    """Class → base as the tree in a docstring draws them: a name's depth is the column that it starts in."""
    bases: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in docstring.splitlines():
        match = re.match(r"([│ ]*[├└]──\s)?([A-Z][A-Za-z]*)(?:\s{2,}|$)", line)
        if not match or (match[1] is None and above):
            continue
        column = match.start(2)
        above = [(other, name) for other, name in above if other < column]
        bases[match[2]] = above[-1][1] if above else "Exception"
        above.append((column, match[2]))
    return bases


def test_the_tree_that_the_docstring_draws_is_the_tree_of_classes():
    assert errors.__doc__ is not None
    assert drawn(errors.__doc__) == {item.__name__: item.__base__.__name__ for item in CLASSES}


def test_a_class_that_is_drawn_under_another_one_is_seen():
    tree = "Top\n├── One   some\n│   └── Inner   words\n└── Two   here\n    └── Other   words\n\nText below."
    assert drawn(tree) == {"Top": "Exception", "One": "Top", "Inner": "One", "Two": "Top", "Other": "Two"}
    assert drawn(tree.replace("    └── Other", "└── Other"))["Other"] == "Top"


def test_every_class_is_exported():
    assert sorted(item.__name__ for item in CLASSES) == sorted(errors.__all__)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_pickling_with_all_its_parts(kind):
    error = kind("what happened", where="here:7", remedy="Do this", code="special")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.what, copy.where, copy.remedy, copy.code, str(copy)) == (
        "what happened",
        "here:7",
        "Do this",
        "special",
        "here:7: what happened. Do this",
    )


@pytest.mark.parametrize("kind", LEAVES)
def test_every_error_says_whether_a_retry_makes_sense(kind):
    assert issubclass(kind, TransientError) != issubclass(kind, PermanentError)


def test_every_leaf_has_a_code_of_its_own():
    codes = [kind.code for kind in LEAVES]
    assert TearsheetError.code not in codes
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "it broke"),
        ({"where": "a.toml:3"}, "a.toml:3: it broke"),
        ({"remedy": "Mend it"}, "it broke. Mend it"),
        ({"where": "a.toml:3", "remedy": "Mend it"}, "a.toml:3: it broke. Mend it"),
    ],
)
def test_the_message_says_where_what_and_what_to_do(parts, message):
    assert str(TearsheetError("it broke", **parts)) == message
