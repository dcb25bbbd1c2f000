"""The names and functions that a formula may use, in English and Chinese, with their types."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Type(Enum):
    """What a part of a formula yields."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


VALUE_NAMES: Mapping[str, Type] = MappingProxyType(
    {
        "actual": Type.NUMBER,
        "target": Type.NUMBER,
        "weight": Type.NUMBER,
        "threshold": Type.NUMBER,
        "stretch": Type.NUMBER,
        "baseline": Type.NUMBER,
        "rating": Type.NUMBER,
        "unit": Type.TEXT,
    }
)
"""Canonical name → type. `rating` is the raters' mean in points; `weight` is in percent points (40, not 0.4)."""

CHINESE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "完成值": "actual",
        "实际值": "actual",
        "目标值": "target",
        "权重": "weight",
        "门槛值": "threshold",
        "挑战值": "stretch",
        "基准值": "baseline",
        "评分": "rating",
        "单位": "unit",
    }
)


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of a function: how many, of which type, and what comes out."""

    minimum: int
    maximum: int
    takes: Type | None
    gives: Type | None


MANY = 30

FUNCTIONS: Mapping[str, Signature] = MappingProxyType(
    {
        "IF": Signature(3, 3, None, None),
        "IFERROR": Signature(2, 2, None, None),
        "ISBLANK": Signature(1, 1, None, Type.BOOLEAN),
        "AND": Signature(1, MANY, Type.BOOLEAN, Type.BOOLEAN),
        "OR": Signature(1, MANY, Type.BOOLEAN, Type.BOOLEAN),
        "NOT": Signature(1, 1, Type.BOOLEAN, Type.BOOLEAN),
        "MIN": Signature(1, MANY, Type.NUMBER, Type.NUMBER),
        "MAX": Signature(1, MANY, Type.NUMBER, Type.NUMBER),
        "SUM": Signature(1, MANY, Type.NUMBER, Type.NUMBER),
        "AVERAGE": Signature(1, MANY, Type.NUMBER, Type.NUMBER),
        "ABS": Signature(1, 1, Type.NUMBER, Type.NUMBER),
        "INT": Signature(1, 1, Type.NUMBER, Type.NUMBER),
        "ROUND": Signature(1, 2, Type.NUMBER, Type.NUMBER),
        "ROUNDUP": Signature(1, 2, Type.NUMBER, Type.NUMBER),
        "ROUNDDOWN": Signature(1, 2, Type.NUMBER, Type.NUMBER),
    }
)

CHINESE_FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "如果": "IF",
        "若错误": "IFERROR",
        "为空": "ISBLANK",
        "且": "AND",
        "或": "OR",
        "非": "NOT",
        "最小值": "MIN",
        "最大值": "MAX",
        "求和": "SUM",
        "平均值": "AVERAGE",
        "绝对值": "ABS",
        "取整": "INT",
        "四舍五入": "ROUND",
    }
)

CONSTANTS: Mapping[str, bool] = MappingProxyType({"TRUE": True, "FALSE": False, "真": True, "假": False})


def canonical_name(written: str) -> str:
    """The name that a written one stands for: Chinese names by the table, English ones without regard to case."""
    return CHINESE_NAMES.get(written, written.lower() if written.isascii() else written)


def canonical_function(written: str) -> str:
    """The function that a written one stands for."""
    return CHINESE_FUNCTIONS.get(written, written.upper())
