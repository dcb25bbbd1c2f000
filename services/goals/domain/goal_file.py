"""The goals file: one row a measure; rows of one owner with one name are one goal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from services.goals.domain.model import Direction, Mode, RowError

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "owner_code": ("owner_code", "owner", "工号"),
    "name": ("name", "goal", "目标"),
    "mode": ("mode", "类型"),
    "weight": ("weight", "权重"),
    "period_start": ("period_start", "开始日期"),
    "period_end": ("period_end", "结束日期"),
    "measure": ("measure", "指标"),
    "measure_weight": ("measure_weight", "指标权重"),
    "baseline": ("baseline", "基线"),
    "target": ("target", "目标值"),
    "unit": ("unit", "单位"),
    "direction": ("direction", "方向"),
}
REQUIRED = ("owner_code", "name", "mode", "weight", "period_start", "period_end")
MODES = {**{mode.value: mode for mode in Mode}, **{mode.value.upper(): mode for mode in Mode}}
DIRECTIONS = {
    "": Direction.HIGHER,
    "higher": Direction.HIGHER,
    "lower": Direction.LOWER,
    "越高越好": Direction.HIGHER,
    "越低越好": Direction.LOWER,
}
MAX_TEXT = 200
Cells = Mapping[str, str]
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """A measure as written."""

    line: int
    name: str
    weight: Decimal
    baseline: Decimal
    target: Decimal | None
    unit: str
    direction: Direction


@dataclass(slots=True)
class GoalRows:
    """The rows of one goal."""

    line: int
    owner_code: str
    name: str
    mode: Mode
    weight: Decimal
    period_start: date
    period_end: date
    measures: list[MeasureRow] = field(default_factory=list)


def read_rows(
    header: Sequence[str], lines: Iterable[tuple[int, Sequence[str]]]
) -> tuple[list[GoalRows], list[RowError], int]:
    """Return the goals that can be read, every error, and how many rows there were."""
    columns = {name: index for index, title in enumerate(header) if (name := _column(title))}
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        return [], [RowError(1, name, "HEADER_MISSING", f"the header {name} is missing") for name in missing], 0
    goals: dict[tuple[str, str], GoalRows] = {}
    errors: list[RowError] = []
    total = 0
    for number, cells in lines:
        total += 1
        row = {name: cells[index].strip() if index < len(cells) else "" for name, index in columns.items()}
        found = _Row(number, row)
        if not found.errors:
            found.add_to(goals)
        errors += found.errors
    return list(goals.values()), errors, total


def _column(title: str) -> str:
    return next((name for name, titles in COLUMNS.items() if title.strip().lower() in titles), "")


class _Row:
    """One row: its values, and everything that is wrong with them."""

    def __init__(self, line: int, cells: Cells) -> None:
        self.line, self.errors = line, list[RowError]()
        self._cells = cells
        self.owner_code, self.name = self._text("owner_code"), self._text("name")
        self.mode = self._one_of("mode", MODES, "MODE_UNKNOWN")
        self.weight = self._number("weight")
        self.period = (self._date("period_start"), self._date("period_end"))
        self.measure = cells.get("measure", "") or self.name
        self.measure_weight, self.baseline = self._number("measure_weight"), self._number("baseline")
        self.target = self._number("target")
        self.direction = self._one_of("direction", DIRECTIONS, "DIRECTION_UNKNOWN")

    def add_to(self, goals: dict[tuple[str, str], GoalRows]) -> None:
        """Add the row to its goal; a row that contradicts the goal's first row is an error."""
        start, end = self.period
        if self.mode is None or self.weight is None or start is None or end is None or self.direction is None:
            return
        goal = GoalRows(self.line, self.owner_code, self.name, self.mode, self.weight, start, end)
        known = goals.setdefault((self.owner_code, self.name), goal)
        if (known.mode, known.weight, known.period_start, known.period_end) != (self.mode, self.weight, start, end):
            self._error("name", "GOAL_CONTRADICTED", f"line {known.line} says otherwise of the same goal")
            return
        weight, baseline = self.measure_weight or Decimal(0), self.baseline or Decimal(0)
        unit = self._cells.get("unit", "")
        known.measures.append(MeasureRow(self.line, self.measure, weight, baseline, self.target, unit, self.direction))

    def _text(self, name: str) -> str:
        text = self._cells.get(name, "")
        if not text:
            self._error(name, "VALUE_MISSING", "a value is needed")
        elif len(text) > MAX_TEXT:
            self._error(name, "VALUE_TOO_LONG", f"at most {MAX_TEXT} characters")
        elif not text.isprintable():
            self._error(name, "CONTROL_CHARACTER", "control characters are not allowed")
        return text

    def _one_of(self, name: str, known: Mapping[str, V], code: str) -> V | None:
        text = self._cells.get(name, "")
        if text not in known:
            self._error(name, code, f"one of {', '.join(key for key in known if key)}")
        return known.get(text)

    def _number(self, name: str) -> Decimal | None:
        text = self._cells.get(name, "").removesuffix("%")
        if not text:
            if name in REQUIRED:
                self._error(name, "VALUE_MISSING", "a number is needed")
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or abs(number) >= Decimal(10) ** 15:
            self._error(name, "NUMBER_MALFORMED", "a decimal number below 10^15")
            return None
        return number

    def _date(self, name: str) -> date | None:
        try:
            return date.fromisoformat(self._cells.get(name, ""))
        except ValueError:
            self._error(name, "DATE_MALFORMED", "a date YYYY-MM-DD")
            return None

    def _error(self, column: str, code: str, message: str) -> None:
        self.errors.append(RowError(self.line, column, code, message))
