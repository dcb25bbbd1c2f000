"""What a linter cannot measure: lengths of modules and functions, names, packages of protos, floats in scores."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).resolve().parents[2]
OWN = ("services", "workflows", "cli", "deploy", "tests")
MODULE_LIMIT, TEST_MODULE_LIMIT, FUNCTION_LIMIT = 500, 600, 60
MEDIAN_LIMIT, P90_LIMIT = 10, 30
JUNK_DRAWERS = re.compile(r"(^|/)(common|utils?|helpers?|misc|base)(\.py|/)")


def own_modules(root: Path = ROOT) -> Iterator[Path]:
    """Every module that people wrote: generated protobuf code and migrations are left out."""
    for folder in OWN:
        for path in sorted((root / folder).rglob("*.py")):
            relative = path.relative_to(root).as_posix()
            if not re.search(r"_pb2(_grpc)?\.py$|/migrations/versions/|/node_modules/", relative):
                yield path


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines, signature and docstring included, of every function of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def too_long(root: Path = ROOT) -> list[str]:
    """Modules and functions over the hard limits of the style guide."""
    found = []
    for path in own_modules(root):
        name = path.relative_to(root).as_posix()
        limit = TEST_MODULE_LIMIT if name.startswith("tests/") else MODULE_LIMIT
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > limit:
            found.append(f"{name}: {lines} lines, the limit is {limit}")
        found += [f"{name}: {f} has {n} lines" for f, n in functions(path) if n > FUNCTION_LIMIT]
    return found


def shape(root: Path = ROOT) -> tuple[float, float]:
    """Median and 90th percentile of function lengths outside tests."""
    lengths = [
        n for path in own_modules(root) if path.relative_to(root).parts[0] != "tests" for _, n in functions(path)
    ]
    deciles = quantiles(lengths, n=10)
    return deciles[4], deciles[8]


def junk_drawers(root: Path = ROOT) -> list[str]:
    """Modules named for what nobody could place."""
    names = (path.relative_to(root).as_posix() for path in own_modules(root))
    return [name for name in names if JUNK_DRAWERS.search(name)]


def undocumented_modules(root: Path = ROOT) -> list[str]:
    """Modules without the sentence that says what belongs there; empty package markers are left out."""
    return [
        path.relative_to(root).as_posix()
        for path in own_modules(root)
        if (text := path.read_text(encoding="utf-8")).strip() and ast.get_docstring(ast.parse(text)) is None
    ]


def misplaced_protos(root: Path = ROOT) -> list[str]:
    """Protos whose package is not attune. + folder + version."""
    found = []
    for path in sorted((root / "protos").rglob("*.proto")):
        api, version = path.relative_to(root / "protos").parts[:2]
        if f"package attune.{api}.{version};" not in path.read_text(encoding="utf-8"):
            found.append(path.relative_to(root).as_posix())
    return found


def floats(root: Path = ROOT) -> list[str]:
    """Floating-point literals and conversions where scores are computed; arithmetic there is exact."""
    found = []
    for path in sorted((root / "services" / "scoring" / "domain").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            if literal or call:
                found.append(f"{path.relative_to(root).as_posix()}:{node.lineno}")  # type: ignore[attr-defined]
    return found
