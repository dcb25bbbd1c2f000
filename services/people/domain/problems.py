"""What can be wrong with a staff file: one code a kind, with its words in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Words(NamedTuple):
    """A sentence in English and in Chinese; braces name the parameters."""

    en: str
    zh: str


FILE_PROBLEMS: Mapping[str, Words] = {
    "FILE_EMPTY": Words("the file holds no rows", "文件没有内容"),
    "FILE_TOO_LARGE": Words("the file is larger than {limit}", "文件超过 {limit}"),
    "TOO_MANY_ROWS": Words("more than {limit} rows", "行数超过 {limit}"),
    "NOT_XLSX": Words(
        "not a readable XLSX workbook; save it as XLSX or CSV", "不是可读取的 XLSX 文件，请另存为 XLSX 或 CSV"
    ),
    "FILE_ENCODING": Words("the text is neither UTF-8 nor GB18030", "文件编码既不是 UTF-8 也不是 GB18030"),
    "BAD_QUOTING": Words("a quotation mark is not closed properly", "引号没有正确闭合"),
    "MISSING_HEADER": Words("the column “{header}” is required", "缺少必需的列“{header}”"),
    "DUPLICATE_HEADER": Words("the column “{header}” occurs twice", "列“{header}”重复"),
    "EMPTY_HEADER": Words("column {number} has cells but no header", "第 {number} 列有内容但没有表头"),
    "BAD_HEADER": Words(
        "the header of column {number} is too long or holds control characters", "第 {number} 列的表头过长或含控制字符"
    ),
}

ROW_PROBLEMS: Mapping[str, Words] = {
    "WRONG_CELL_COUNT": Words(
        "{found} cells where the header has {expected}", "有 {found} 个单元格，表头有 {expected} 列"
    ),
    "BAD_ENCODING": Words("the cell holds bytes that are not text", "单元格含有无法识别的字节"),
    "CONTROL_CHARACTER": Words("the cell holds a control character or line break", "单元格含有控制字符或换行"),
    "TOO_LONG": Words("longer than {limit} characters", "超过 {limit} 个字符"),
    "MISSING_CODE": Words("the code is missing", "缺少工号"),
    "MISSING_NAME": Words("the name is missing", "缺少姓名"),
    "BAD_CODE": Words("a code has letters, digits and . _ - only", "工号只能包含字母、数字和 . _ -"),
    "DUPLICATE_CODE": Words("line {line} has the same code", "与第 {line} 行工号重复"),
    "BAD_EMAIL": Words("not an e-mail address", "邮箱格式不正确"),
    "DUPLICATE_EMAIL": Words("line {line} has the same address", "与第 {line} 行邮箱重复"),
    "EMAIL_TAKEN": Words("employee {code} already has this address", "员工 {code} 已使用该邮箱"),
    "BAD_MOBILE": Words("not a telephone number", "手机号格式不正确"),
    "BAD_LEVEL": Words("not a level such as P7 or M3-2", "不是有效的职级（如 P7、M3-2）"),
    "BAD_LANGUAGE": Words("the language is zh-CN or en", "语言只能是 zh-CN 或 en"),
    "BAD_DATE": Words("not a date; write YYYY-MM-DD", "日期无效，请写成 YYYY-MM-DD"),
    "LEFT_BEFORE_HIRED": Words("left before being hired", "离职日期早于入职日期"),
    "EMPTY_DEPARTMENT_SEGMENT": Words("the department path has an empty part", "部门路径中有空的层级"),
    "DEPARTMENT_TOO_DEEP": Words("more than {limit} department levels", "部门层级超过 {limit}"),
    "UNKNOWN_DEPARTMENT": Words(
        "no department has this code; write /{department} for a top-level department of that name",
        "没有代码为该值的部门；若是顶级部门的名称，请写成 /{department}",
    ),
    "SELF_MANAGER": Words("nobody is their own manager", "上级不能是本人"),
    "UNKNOWN_MANAGER": Words("no employee has the code {code}", "没有工号为 {code} 的员工"),
    "MANAGER_NOT_LOADED": Words("the row of manager {code} was not loaded", "上级 {code} 所在行未能导入"),
    "MANAGEMENT_LOOP": Words("the reporting line leads back to this person", "汇报关系形成循环"),
    "UNKNOWN_DOTTED_MANAGER": Words("no employee has the code {code}", "没有工号为 {code} 的员工"),
    "SELF_DOTTED_MANAGER": Words("nobody is their own dotted-line manager", "虚线上级不能是本人"),
    "TOO_MANY_DOTTED_MANAGERS": Words("more than {limit} dotted-line managers", "虚线上级超过 {limit} 位"),
}

# The last line of a report that would not fit into an answer.
MORE_PROBLEMS = "MORE_PROBLEMS"
REPORT_PROBLEMS: Mapping[str, Words] = {
    MORE_PROBLEMS: Words("{more} more problems; mend those above first", "另有 {more} 个问题，请先修正以上问题"),
}

PROBLEMS: Mapping[str, Words] = {**FILE_PROBLEMS, **ROW_PROBLEMS, **REPORT_PROBLEMS}


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a file: the line as an editor counts it (1 is the header), the header of the column, the code."""

    line: int
    column: str
    code: str
    parameters: tuple[tuple[str, str], ...] = ()

    def reason(self, language: str = "en") -> str:
        """The sentence for people in `language`; anything but zh-CN is English."""
        words = PROBLEMS[self.code]
        template = words.zh if language == "zh-CN" else words.en
        return template.format(**dict(self.parameters))


def problem(line: int, column: str, code: str, /, **parameters: object) -> Problem:
    """A problem with its parameters written as text."""
    return Problem(line, column, code, tuple((name, str(value)) for name, value in parameters.items()))
