"""What can be wrong with a formula, with position and message in Chinese and English."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a formula's text; `position` is a 0-based offset in characters."""

    code: str
    position: int
    message_zh: str
    message_en: str


MESSAGES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "EMPTY": ("公式为空", "the formula is empty"),
        "TOO_LONG": ("公式超过 {limit} 个字符", "the formula is longer than {limit} characters"),
        "TOO_DEEP": ("公式嵌套超过 {limit} 层", "the formula is nested more than {limit} levels deep"),
        "TOO_COSTLY": ("公式超过 {limit} 个运算项", "the formula has more than {limit} parts"),
        "UNKNOWN_CHARACTER": (
            "第 {column} 个字符 {found} 不能用在公式里",
            "{found} at character {column} has no meaning in a formula",
        ),
        "UNEXPECTED": ("第 {column} 个字符处不应出现 {found}", "{found} is not expected at character {column}"),
        "INCOMPLETE": ("公式没有写完", "the formula ends too early"),
        "UNKNOWN_NAME": ("没有名为 {found} 的值{hint_zh}", "there is no value named {found}{hint_en}"),
        "UNKNOWN_FUNCTION": ("没有名为 {found} 的函数{hint_zh}", "there is no function named {found}{hint_en}"),
        "WRONG_ARGUMENTS": (
            "{found} 需要 {wanted} 个参数, 写了 {count} 个",
            "{found} takes {wanted} arguments, {count} were given",
        ),
        "WRONG_TYPE": ("此处需要{wanted_zh}, 得到的是{found_zh}", "a {wanted} is needed here, not a {found}"),
        "RESULT_NOT_NUMBER": ("公式的结果必须是数字, 现在是{found_zh}", "a formula must yield a number, not a {found}"),
        "ISBLANK_NEEDS_NAME": ("{found} 的参数必须是一个值的名称", "{found} takes the name of a value"),
        "EXPONENT_TOO_LARGE": ("指数不能超过 {limit}", "an exponent may not be larger than {limit}"),
        "REFERS_TO_NOTHING": ("公式没有引用任何值", "the formula refers to no value"),
        "WEIGHT_APPLIED_TWICE": (
            "公式里写了权重, 计分方式必须是“得分”(points), 否则权重会被计算两次",
            "a formula that names the weight must have basis points, or the weight would be applied twice",
        ),
    }
)


def problem(code: str, position: int, **facts: object) -> Problem:
    """The problem of that code, its messages filled with the facts."""
    chinese, english = MESSAGES[code]
    return Problem(code, position, chinese.format(**facts), english.format(**facts))
