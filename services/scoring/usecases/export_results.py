"""A file of a cycle's results, for HR."""

import csv
import hashlib
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from services.scoring.domain.errors import Denied, ExportQuota, InvalidInput, NotFound
from services.scoring.domain.model import Export, Result
from services.scoring.policy import may_export
from services.scoring.usecases.needs import NeedsExports

BATCH = 5_000
QUOTA = 20
QUOTA_SECONDS = 3_600
BYTE_ORDER_MARK = "\ufeff"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def _number(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}"


COLUMNS: Mapping[str, Callable[[Result], str]] = {
    "participant_id": lambda row: str(row.participant_id),
    "employee_id": lambda row: str(row.employee_id),
    "department": lambda row: row.department_name,
    "version": lambda row: str(row.version),
    "raw": lambda row: _number(row.raw),
    "weighted": lambda row: _number(row.weighted),
    "calibrated": lambda row: _number(row.calibrated),
    "final": lambda row: _number(row.final),
    "scored_grade": lambda row: row.scored_grade,
    "grade": lambda row: row.grade,
    "coefficient": lambda row: _number(row.coefficient),
    "amended": lambda row: "1" if row.amended else "0",
    "released_at": lambda row: row.released_at.isoformat() if row.released_at else "",
    "unscored_reason": lambda row: row.unscored_code,
}


@dataclass(frozen=True, slots=True)
class CreateExport:
    """What to export; no columns means all."""

    export_id: UUID
    kind: str
    cycle_id: UUID
    columns: tuple[str, ...]


async def create_export(work: NeedsExports, command: CreateExport) -> Export:
    """Write the file batch by batch, in this transaction: it is complete or it is not there."""
    columns = _checked(command)
    if not may_export(work.principal):
        raise Denied("only HR and the auditor export results")
    if await work.exports.recent(work.principal.actor, QUOTA_SECONDS) >= QUOTA:
        raise ExportQuota(f"at most {QUOTA} exports an hour")
    made = Export(command.export_id, command.cycle_id, command.kind, columns, work.principal.actor, "running")
    await work.exports.add(made)
    digest, rows, part = hashlib.sha256(), 0, 0
    async for content, count in _contents(work, command.cycle_id, columns):
        digest.update(content)
        await work.exports.add_part(made.id, part, content)
        part, rows = part + 1, rows + count
    finished = replace(made, state="done", done=rows, total=rows, sha256=digest.hexdigest())
    await work.exports.finish(finished)
    detail = {"cycle_id": str(command.cycle_id), "columns": list(columns), "rows": rows, "sha256": finished.sha256}
    await work.audit("export.created", "export", made.id, detail=detail)
    return finished


async def get_export(work: NeedsExports, export_id: UUID) -> Export:
    """An export of the caller's own."""
    found = await work.exports.find(export_id)
    if found is None or found.requested_by != work.principal.actor:
        raise NotFound("there is no such export")
    return found


async def download_export(work: NeedsExports, export_id: UUID) -> AsyncIterator[bytes]:
    """The file of an export of the caller's own, part by part."""
    found = await get_export(work, export_id)
    async for part in work.exports.parts(found.id):
        yield part


def _checked(command: CreateExport) -> tuple[str, ...]:
    if command.kind not in ("", "results"):
        raise InvalidInput("kind is results", field="kind")
    unknown = [column for column in command.columns if column not in COLUMNS]
    if unknown:
        raise InvalidInput(f"unknown column {unknown[0]}; known are {', '.join(COLUMNS)}", field="columns")
    return command.columns or tuple(COLUMNS)


async def _contents(work: NeedsExports, cycle_id: UUID, columns: Sequence[str]) -> AsyncIterator[tuple[bytes, int]]:
    """The file in parts, each with its number of rows: a byte-order mark and the header first."""
    yield (BYTE_ORDER_MARK + write_rows([columns])).encode(), 0
    cells = [COLUMNS[column] for column in columns]
    async for batch in work.results.exported(work.principal, cycle_id, BATCH):
        yield write_rows([[cell(row) for cell in cells] for row in batch]).encode(), len(batch)


def write_rows(rows: Sequence[Sequence[str]]) -> str:
    """CSV lines; a cell that a spreadsheet would take for a formula gets an apostrophe, a plain number does not."""
    written = io.StringIO()
    csv.writer(written).writerows([[_safe(cell) for cell in row] for row in rows])
    return written.getvalue()


def _safe(cell: str) -> str:
    if not cell.startswith(FORMULA_STARTS):
        return cell
    return cell if cell[1:].replace(".", "", 1).isdigit() else "'" + cell
