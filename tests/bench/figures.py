"""What a bench found, and the one table that is made of it."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One line: a value, the numbers behind it, and the gate that it passes or misses; without a gate, for the eye."""

    bench: str
    work: str
    value: str
    ours: str
    against: str
    runs: int
    gate: str = ""
    met: bool | None = None
    note: str = ""


def median(values: Iterable[float]) -> float:
    """The middle value; of an even number the mean of the two in the middle."""
    return statistics.median(values)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share lies, by the nearest rank. Raises ValueError for no values."""
    if not values:
        raise ValueError("there are no values")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def at_most(value: float, gate: float) -> tuple[str, bool]:
    """The gate as it is printed, and whether the value passes it."""
    return f"≤ {gate:g}", value <= gate


def at_least(value: float, gate: float) -> tuple[str, bool]:
    """The gate as it is printed, and whether the value passes it."""
    return f"≥ {gate:g}", value >= gate


def size(people: int) -> str:
    """100000 as 100 k."""
    return f"{people // 1000} k" if people % 1000 == 0 else f"{people}"


COLUMNS = ("bench", "work", "value", "ours", "against", "runs", "gate", "")


def print_figures(figures: Sequence[Figure], shape: str = "table") -> None:
    """Print a table and which gates are missed; `markdown` for a README; `json` has one object for each line."""
    if shape == "json":
        print(json.dumps([asdict(figure) for figure in figures], ensure_ascii=False, indent=1))
        return
    if shape == "markdown":
        print("\n".join(_markdown(figures)))
    else:
        table = Table(*COLUMNS)
        for figure in figures:
            table.add_row(*_cells(figure))
        Console().print(table)
    print("\n".join(_remarks(figures)))


def _cells(figure: Figure) -> tuple[str, ...]:
    verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
    cells = (figure.bench, figure.work, figure.value, figure.ours, figure.against)
    return (*cells, str(figure.runs), figure.gate, verdict)


def _markdown(figures: Sequence[Figure]) -> Iterable[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" * len(COLUMNS) + "|"
    for figure in figures:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in _cells(figure))} |"
    yield ""


def _remarks(figures: Sequence[Figure]) -> Iterable[str]:
    """What stands below the table: where the figures were taken, notes, and the gates that are missed."""
    yield f"Taken on {machine()}."
    for figure in figures:
        if figure.note:
            yield f"- {figure.bench} {figure.work}: {figure.note}."
    missed = [f"{figure.bench} {figure.work}" for figure in figures if figure.met is False]
    yield f"Gates missed: {'; '.join(missed)}." if missed else "All gates are met."


def machine() -> str:
    """What the figures were taken on."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, client and servers on one machine"
