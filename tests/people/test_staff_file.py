"""What a staff file may look like, and every way in which it can be wrong."""

import io
from collections.abc import Sequence
from datetime import date
from uuid import uuid4

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from services.people.domain.departments import Department, DepartmentTree
from services.people.domain.problems import PROBLEMS
from services.people.domain.staff_checks import CheckedFile, KnownStaff, check_staff
from services.people.domain.staff_file import StaffFile, parse_date
from services.people.usecases.staff_import import ImportEmployees, read_file
from services.runtime.sheets import MAX_BYTES, MAX_ROWS

HEADER = "code,name,email,mobile,department,manager_code,post,level,hired_on,left_on,dotted_manager_codes,language,city"
GOOD = "A1,Ann,a1@example.com,,Head,,Lead,M1,2020-01-01,,,en,Bern"
KNOWN = KnownStaff(manager_of={"K1": None, "K2": "K1"}, code_of_email={"k1@example.com": "K1"})


def read(content: bytes | str, *, workbook: bool = False) -> StaffFile:
    return read_file(ImportEmployees(content.encode() if isinstance(content, str) else content, workbook, False))


def check(text: str | bytes, known: KnownStaff = KNOWN) -> CheckedFile:
    sales = uuid4()
    tree = DepartmentTree([Department(sales, "Sales", (sales,), "Sales", code="D07")], uuid4)
    return check_staff(read(text), known, tree)


def row(**cells: str) -> str:
    values = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | {"code": "B1", "email": ""} | cells
    return ",".join(values.values())


BROKEN_ROWS = [
    ("MISSING_CODE", "code", [row(code="")]),
    ("MISSING_NAME", "name", [row(name="  ")]),
    ("BAD_CODE", "code", [row(code="B 1")]),
    ("DUPLICATE_CODE", "code", [row(), row()]),
    ("BAD_EMAIL", "email", [row(email="b1.example.com")]),
    ("DUPLICATE_EMAIL", "email", [row(email="x@example.com"), row(code="B2", email="X@EXAMPLE.com")]),
    ("EMAIL_TAKEN", "email", [row(email="K1@example.com")]),
    ("BAD_MOBILE", "mobile", [row(mobile="12-34-abc")]),
    ("BAD_LEVEL", "level", [row(level="??")]),
    ("BAD_LANGUAGE", "language", [row(language="fr")]),
    ("BAD_DATE", "hired_on", [row(hired_on="2020-02-30")]),
    ("BAD_DATE", "hired_on", [row(hired_on="03/04/2020")]),
    ("BAD_DATE", "left_on", [row(left_on="soon")]),
    ("LEFT_BEFORE_HIRED", "left_on", [row(left_on="2019-12-31")]),
    ("EMPTY_DEPARTMENT_SEGMENT", "department", [row(department="A//B")]),
    ("EMPTY_DEPARTMENT_SEGMENT", "department", [row(department="A/ /B")]),
    ("DEPARTMENT_TOO_DEEP", "department", [row(department="/".join("abcdefghijklmnopqrstu"))]),
    ("UNKNOWN_DEPARTMENT", "department", [row(department="D99")]),
    ("SELF_MANAGER", "manager_code", [row(manager_code="B1")]),
    ("UNKNOWN_MANAGER", "manager_code", [row(manager_code="Z9")]),
    ("MANAGER_NOT_LOADED", "manager_code", [row(code="B2", email="no"), row(manager_code="B2")]),
    ("MANAGEMENT_LOOP", "manager_code", [row(manager_code="B2"), row(code="B2", manager_code="B1")]),
    ("UNKNOWN_DOTTED_MANAGER", "dotted_manager_codes", [row(dotted_manager_codes="K1;Z9")]),
    ("SELF_DOTTED_MANAGER", "dotted_manager_codes", [row(dotted_manager_codes="B1")]),
    ("TOO_MANY_DOTTED_MANAGERS", "dotted_manager_codes", [row(dotted_manager_codes=";".join("abcdefghijk"))]),
    ("TOO_LONG", "name", [row(name="n" * 101)]),
    ("TOO_LONG", "city", [row(city="c" * 501)]),
    ("CONTROL_CHARACTER", "name", [row(name="Be\x07n")]),
    ("CONTROL_CHARACTER", "name", [row(name='"Be\nn"')]),
    ("CONTROL_CHARACTER", "name", [row(name="Be\u202en")]),
    ("WRONG_CELL_COUNT", "", [row() + ",more"]),
    ("WRONG_CELL_COUNT", "", ["B1,Ben"]),
]
BROKEN_FILES = [
    ("FILE_EMPTY", b""),
    ("FILE_EMPTY", b"code,name\n\n"),
    ("FILE_TOO_LARGE", b"a" * (MAX_BYTES + 1)),
    ("TOO_MANY_ROWS", b"code,name\n" + b"1,a\n" * (MAX_ROWS + 1)),
    ("NOT_XLSX", b"PK\x03\x04 and then nothing of the kind"),
    ("NOT_XLSX", b"\xd0\xcf\x11\xe0 an old workbook"),
    ("FILE_ENCODING", "code,name\n1,a\n".encode("utf-16")),
    ("FILE_ENCODING", b"code,name\n\xff\xff\xff,\xff\xff\xff\n"),
    ("MISSING_HEADER", b"name,email\na,b\n"),
    ("MISSING_HEADER", b"code,email\na,b\n"),
    ("DUPLICATE_HEADER", b"code,name,city,city\n1,a,b,c\n"),
    ("DUPLICATE_HEADER", "code,name,工号\n1,a,b\n".encode()),
    ("EMPTY_HEADER", b"code,name,\n1,a,b\n"),
    ("BAD_HEADER", b"code,name," + b"h" * 65 + b"\n1,a,b\n"),
]


@pytest.mark.parametrize(("code", "column", "lines"), BROKEN_ROWS)
def test_broken_row_is_named_and_the_good_one_loads(code: str, column: str, lines: Sequence[str]) -> None:
    checked = check("\n".join([HEADER, GOOD, *lines]))
    assert (code, column) in {(problem.code, problem.column) for problem in checked.problems}
    assert {loaded.code for loaded in checked.rows} & {"A1"}
    assert all(problem.line >= 3 for problem in checked.problems)
    assert checked.refused_lines == len(lines)


@pytest.mark.parametrize(("code", "content"), BROKEN_FILES)
def test_broken_file_loads_nothing(code: str, content: bytes) -> None:
    checked = check(content)
    assert code in {problem.code for problem in checked.problems}
    assert checked.rows == ()


def test_every_kind_of_problem_is_tested_and_worded_in_both_languages() -> None:
    tested = {code for code, *_ in [*BROKEN_ROWS, *BROKEN_FILES]} | {"BAD_QUOTING", "BAD_ENCODING", "MORE_PROBLEMS"}
    assert tested == set(PROBLEMS)
    for content in ("\n".join([HEADER, *lines]) for _, _, lines in BROKEN_ROWS):
        for problem in check(content).problems:
            assert problem.reason("en")
            assert problem.reason("zh-CN") != problem.reason("en")


def test_all_problems_of_a_row_are_reported_with_the_header_as_written() -> None:
    checked = check("工号,姓名,邮箱,入职日期\nB1,,nobody,2020-13-01\n")
    assert [(p.line, p.column, p.code) for p in checked.problems] == [
        (2, "入职日期", "BAD_DATE"),
        (2, "姓名", "MISSING_NAME"),
        (2, "邮箱", "BAD_EMAIL"),
    ]


def test_lines_are_counted_as_an_editor_shows_them() -> None:
    checked = check('code,name\nB1,"Be\nn"\n\nB2,\n')
    assert [(p.line, p.code) for p in checked.problems] == [(2, "CONTROL_CHARACTER"), (5, "MISSING_NAME")]


def test_unclosed_quotation_keeps_the_rows_before_it() -> None:
    checked = check('code,name\nB1,Ben\nB2,"Bob\n')
    assert [loaded.code for loaded in checked.rows] == ["B1"]
    assert [(p.line, p.code) for p in checked.problems] == [(3, "BAD_QUOTING")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings(encoding: str) -> None:
    file = read("工号,姓名,部门\nB1,陈小明,总部/销售部\n".encode(encoding))
    assert (file.rows[0].text("name"), file.rows[0].text("department")) == ("陈小明", "总部/销售部")


def test_damaged_utf8_is_not_taken_for_another_encoding() -> None:
    text = "工号,姓名\nB1,陈小明\nB2,王芳\n".encode()
    file = read(text.replace("芳".encode(), b"\xe8"))
    assert [loaded.code for loaded in file.rows] == ["B1"]
    assert [(p.line, p.column, p.code) for p in file.problems] == [(3, "name", "BAD_ENCODING")]


def test_formula_text_is_data() -> None:
    file = read("code,name,note\nB1,=1+1,@SUM(A1)\n")
    assert (file.rows[0].text("name"), file.rows[0].attributes["note"]) == ("=1+1", "@SUM(A1)")


def workbook(rows: Sequence[Sequence[object]]) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"default_date_format": "yyyy-mm-dd"}) as book:
        sheet = book.add_worksheet()
        for number, cells in enumerate(rows):
            sheet.write_row(number, 0, cells)
    return buffer.getvalue()


def test_workbook_cells_read_as_a_user_sees_them() -> None:
    content = workbook([["工号", "姓名", "手机", "入职日期"], [1001, "陈", 13800138000, date(2020, 1, 2)]])
    file = read(content)
    assert file.problems == ()
    assert file.rows[0].code == "1001"
    assert file.rows[0].text("mobile") == "13800138000"
    assert file.rows[0].day("hired_on") == date(2020, 1, 2)


def test_a_csv_that_is_called_a_workbook_is_refused() -> None:
    file = read(b"code,name\n1,a\n", workbook=True)
    assert [problem.code for problem in file.problems] == ["NOT_XLSX"]


def test_an_address_may_change_hands_within_a_file() -> None:
    text = "code,name,email\nB1,Ben,k1@example.com\nK1,Kim,new@example.com\n"
    assert check(text).problems == ()
    refused = check("code,name,email,hired_on\nB1,Ben,k1@example.com,\nK1,Kim,new@example.com,never\n")
    assert {(p.line, p.code) for p in refused.problems} == {(3, "BAD_DATE"), (2, "EMAIL_TAKEN")}


def test_a_refused_row_keeps_its_old_line_and_may_close_a_loop() -> None:
    # K2 reports to K1 today. Its own row is refused, so K1 below K2 would be a loop although the file alone has none.
    checked = check("code,name,manager_code,email\nK2,Kay,,nobody\nK1,Kim,K2,\n")
    assert {(p.line, p.code) for p in checked.problems} == {(2, "BAD_EMAIL"), (3, "MANAGEMENT_LOOP")}


def test_departments_of_refused_rows_are_not_made() -> None:
    tree = DepartmentTree([], uuid4)
    file = read("code,name,department,manager_code\nB1,Ben,Head/Sales,\nB2,Bob,Head/Lost,Z9\n")
    checked = check_staff(file, KnownStaff({}, {}), tree)
    grown = tree.grown_for(loaded.text("department") for loaded in checked.rows)
    assert [department.path_names for department in grown] == ["Head", "Head/Sales"]
    assert grown[1].path == (grown[0].id, grown[1].id)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_report(content: bytes) -> None:
    checked = check(content)
    assert checked.rows or checked.problems


CODES = st.sampled_from(["A", "B", "C", "D", "E", "K1", "K2", "Z"])


@given(st.lists(st.tuples(CODES, st.one_of(CODES, st.just(""))), min_size=1, max_size=8))
def test_what_loads_has_no_loop_and_no_unknown_manager(pairs: list[tuple[str, str]]) -> None:
    lines = [f"{code},{code.lower()},{manager}" for code, manager in pairs]
    checked = check("\n".join(["code,name,manager_code", *lines]))
    manager_of = dict(KNOWN.manager_of) | {row.code: row.text("manager_code") or None for row in checked.rows}
    for person in manager_of:
        line = [person]
        while (manager := manager_of.get(line[-1])) is not None:
            assert manager in manager_of
            assert manager not in line
            line.append(manager)
    assert len(checked.rows) + len({p.line for p in checked.problems}) == len(lines)


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 12, 31)))
def test_dates_are_read_in_every_form(day: date) -> None:
    forms = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日")
    assert {parse_date(day.strftime(form)) for form in forms} == {day}
