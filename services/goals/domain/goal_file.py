"""The goals file: one row a measure; rows of one owner, name and period are one goal."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Protocol, TypeVar

from services.goals.domain import cells
from services.goals.domain.cells import CellRefused
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
COLUMN_OF_TITLE: Mapping[str, str] = {title: column for column, titles in COLUMNS.items() for title in titles}
REQUIRED = ("owner_code", "name", "mode", "weight", "period_start", "period_end")
V = TypeVar("V")
Key = tuple[str, str, date, date]  # owner's code, name, period


class Line(Protocol):
    """A row of the file: its number as a spreadsheet shows it, and its cells."""

    @property
    def number(self) -> int: ...
    @property
    def cells(self) -> tuple[str, ...]: ...


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
    """The rows of one goal; `line` is the first of them."""

    line: int
    owner_code: str
    name: str
    mode: Mode
    weight: Decimal
    period_start: date
    period_end: date
    measures: list[MeasureRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class GoalFile:
    """What a file says: the goals all of whose rows can be read, every error, how many rows there are.

    `titles` are the headers as written, by column.
    """

    goals: tuple[GoalRows, ...] = ()
    errors: tuple[RowError, ...] = ()
    total: int = 0
    titles: Mapping[str, str] = field(default_factory=dict)


def read_goals(header: Sequence[str], lines: Sequence[Line]) -> GoalFile:
    """Return what the file says; a fault of the header leaves all rows out, a broken row its whole goal."""
    faults = list(_header_faults(header, lines))
    titles = {COLUMN_OF_TITLE[_folded(title)]: title for title in header if _folded(title) in COLUMN_OF_TITLE}
    if faults:
        return GoalFile((), tuple(faults), len(lines), titles)
    rows = [_Row(line, header, titles) for line in lines]
    goals = _gathered(rows)
    whole = _without_broken(goals, rows)
    errors = sorted((error for row in rows for error in row.errors), key=lambda error: error.line)
    return GoalFile(tuple(whole), tuple(errors), len(lines), titles)


def _folded(title: str) -> str:
    return title.strip().lower()


def _header_faults(header: Sequence[str], lines: Sequence[Line]) -> Iterator[RowError]:
    for index, title in enumerate(header):
        if not title:
            if any(len(line.cells) > index and line.cells[index].strip() for line in lines):
                yield RowError(1, "", "HEADER_EMPTY", f"column {index + 1} has cells but no header")
        elif _folded(title) not in COLUMN_OF_TITLE:
            known = ", ".join(COLUMNS)
            yield RowError(1, title[:100], "HEADER_UNKNOWN", f"no column of goals; the columns are {known}")
    counts = Counter(COLUMN_OF_TITLE.get(_folded(title), "") for title in header)
    for column in COLUMNS:
        if counts[column] > 1:
            yield RowError(1, column, "HEADER_TWICE", f"{column} occurs {counts[column]} times; keep one")
        elif column in REQUIRED and not counts[column]:
            yield RowError(1, column, "HEADER_MISSING", f"the column {' or '.join(COLUMNS[column])} is needed")


class _Row:
    """One row: its values, and everything that is wrong with them."""

    def __init__(self, line: Line, header: Sequence[str], titles: Mapping[str, str]) -> None:
        self.line, self.errors = line.number, list[RowError]()
        self._titles = titles
        if any(cell.strip() for cell in line.cells[len(header) :]):
            self.fault("", "CELL_COUNT", f"{len(line.cells)} cells where the header has {len(header)}; quote commas")
        columns = [COLUMN_OF_TITLE.get(_folded(title), "") for title in header]
        self._cells = dict(zip(columns, (cell.strip() for cell in line.cells), strict=False))
        self.owner_code, self.name = self._text("owner_code", needed=True), self._text("name", needed=True)
        self.mode, self.weight = self._value("mode", cells.mode), self._value("weight", cells.weight)
        self.period = (self._value("period_start", cells.day), self._value("period_end", cells.day))
        self.measure, self.unit = self._text("measure") or self.name, self._text("unit", longest=cells.UNIT)
        self.measure_weight = self._value("measure_weight", cells.weight)
        self.baseline, self.target = self._value("baseline", cells.number), self._value("target", cells.number)
        self.direction = self._value("direction", cells.direction)

    def key(self) -> Key | None:
        """Return which goal the row belongs to, if that can be read."""
        start, end = self.period
        return (self.owner_code, self.name, start, end) if start and end else None

    def goal(self, key: Key) -> GoalRows | None:
        """Return the goal that the row begins, without its measure; None when the row has errors."""
        if self.errors or self.mode is None or self.weight is None:
            return None
        return GoalRows(self.line, key[0], key[1], self.mode, self.weight, key[2], key[3])

    def measure_row(self) -> MeasureRow:
        """Return the row's measure."""
        return MeasureRow(
            line=self.line,
            name=self.measure,
            weight=self.measure_weight or Decimal(0),
            baseline=self.baseline or Decimal(0),
            target=self.target,
            unit=self.unit,
            direction=self.direction or Direction.HIGHER,
        )

    def fault(self, column: str, code: str, message: str) -> None:
        """Record what is wrong with a cell, under the header as written."""
        self.errors.append(RowError(self.line, self._titles.get(column, column), code, message))

    def _text(self, column: str, *, needed: bool = False, longest: int = cells.TEXT) -> str:
        text = self._cells.get(column, "")
        try:
            cells.check_text(text, longest, needed=needed)
        except CellRefused as refused:
            self.fault(column, refused.code, refused.message)
        return text

    def _value(self, column: str, read: Callable[[str], V]) -> V | None:
        text = self._cells.get(column, "")
        if not text and column in REQUIRED:
            self.fault(column, "VALUE_MISSING", "a value is needed")
        if not text:
            return None
        try:
            return read(text)
        except CellRefused as refused:
            self.fault(column, refused.code, refused.message)
            return None


def _gathered(rows: Iterable[_Row]) -> dict[Key, GoalRows]:
    """Put rows together to goals; a row that contradicts or repeats an earlier one of its goal is broken."""
    goals: dict[Key, GoalRows] = {}
    for row in rows:
        key = row.key()
        goal = row.goal(key) if key else None
        if key is None or goal is None:
            continue
        known = goals.setdefault(key, goal)
        twin = next((measure for measure in known.measures if measure.name == row.measure), None)
        if (known.mode, known.weight) != (goal.mode, goal.weight):
            column = "mode" if known.mode is not goal.mode else "weight"
            row.fault(column, "GOAL_CONTRADICTED", f"line {known.line} says otherwise of the same goal")
        elif twin is not None:
            row.fault("measure", "MEASURE_TWICE", f"line {twin.line} has the same measure of the same goal")
        else:
            known.measures.append(row.measure_row())
    return goals


def _without_broken(goals: Mapping[Key, GoalRows], rows: Sequence[_Row]) -> list[GoalRows]:
    """Return the goals without a broken row; the sound rows of the others say which line keeps them out."""
    broken: defaultdict[tuple[str, str], list[_Row]] = defaultdict(list)
    for row in rows:
        if row.errors:
            broken[row.owner_code, row.name].append(row)
    by_line = {row.line: row for row in rows}
    whole: list[GoalRows] = []
    for key, goal in goals.items():
        culprit = next((row for row in broken[key[:2]] if row.key() in (key, None)), None)
        if culprit is None:
            whole.append(goal)
            continue
        for measure in goal.measures:
            by_line[measure.line].fault("", "GOAL_INCOMPLETE", f"line {culprit.line} of the same goal cannot be taken")
    return whole
