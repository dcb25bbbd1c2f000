"""What a bench found, and the one table that is made of it."""

import json
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


def print_figures(figures: Sequence[Figure], *, as_json: bool, width: int | None = None) -> None:
    """Print the table and which gates are missed; as JSON, one object for each line of it."""
    if as_json:
        print(json.dumps([asdict(figure) for figure in figures], ensure_ascii=False, indent=1))
        return
    console = Console(width=width)
    table = Table("bench", "work", "value", "ours", "against", "runs", "gate", "", show_lines=False)
    for figure in figures:
        verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
        cells = (figure.value, figure.ours, figure.against, str(figure.runs), figure.gate, verdict)
        table.add_row(figure.bench, figure.work, *cells)
    console.print(table)
    for figure in figures:
        if figure.note:
            console.print(f"{figure.bench} {figure.work}: {figure.note}", highlight=False)
    missed = [f"{figure.bench} {figure.work}" for figure in figures if figure.met is False]
    console.print(f"Gates missed: {'; '.join(missed)}" if missed else "All gates are met.", highlight=False)
