"""An uploaded CSV or XLSX file of actual values as rows of text cells."""

from collections.abc import Iterable

from services.reviews.domain.errors import ActualsFileInvalid
from services.reviews.usecases.actuals import SheetOfActuals
from services.runtime.sheets import SheetFault
from services.runtime.sheets import read_sheet as read_file

MOST_COLUMNS = 1_000
FORMATS = ("csv", "xlsx")
FAULTS = {
    "FILE_EMPTY": "the file has no rows",
    "FILE_TOO_LARGE": "the file is larger than {limit}",
    "FILE_ENCODING": "the file is neither UTF-8 nor GB18030",
    "NOT_XLSX": "the file is not an XLSX workbook",
    "TOO_MANY_ROWS": "the file has more than {limit} rows",
    "BAD_QUOTING": "a quotation mark is not closed",
}


def read_sheet(content: bytes, file_format: str) -> SheetOfActuals:
    """Header and rows with their line numbers, the header being 1; ActualsFileInvalid says why a file is none."""
    if file_format not in FORMATS:
        raise ActualsFileInvalid("format is csv or xlsx", field="format")
    sheet = read_file(content, workbook=file_format == "xlsx")
    if sheet.faults:
        raise ActualsFileInvalid(_words(sheet.faults[0]), field="content", meta={"code": sheet.faults[0].code})
    if len(sheet.header) > MOST_COLUMNS:
        raise ActualsFileInvalid(f"the file has more than {MOST_COLUMNS} columns", field="content")
    return SheetOfActuals(_readable(sheet.header), tuple((line.number, _readable(line.cells)) for line in sheet.lines))


def _readable(cells: Iterable[str]) -> tuple[str, ...]:
    """Cells without what no database stores: damaged bytes and NUL become question marks."""
    return tuple(cell.encode("utf-8", "replace").decode().replace("\x00", "?").strip() for cell in cells)


def _words(fault: SheetFault) -> str:
    at = f"line {fault.line}: " if fault.line else ""
    return at + FAULTS.get(fault.code, fault.code).format(limit=fault.limit)
