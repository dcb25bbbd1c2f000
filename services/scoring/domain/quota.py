"""Guidelines: how many of a group should hold each grade, by largest remainder; and which groups are large enough."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

from services.scoring.domain.form_reader import read_weight

DEFAULT_MINIMUM = 10


class GuidelineMode(Enum):
    """How binding a guideline is."""

    INFORM = "inform"
    REASON_REQUIRED = "reason_required"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Guideline:
    """Shares of a group in percent by grade, and the smallest group that they apply to."""

    mode: GuidelineMode
    quotas: Mapping[str, Fraction]
    minimum: int = DEFAULT_MINIMUM


def read_guideline(document: Mapping[str, Any] | None) -> Guideline | None:
    """The guideline of a template; None without one."""
    if not document:
        return None
    quotas = {grade: read_weight(share) for grade, share in document["quotas"].items()}
    return Guideline(GuidelineMode(document["mode"]), quotas, int(document.get("minimum", DEFAULT_MINIMUM)))


def quota(size: int, shares: Mapping[str, Fraction]) -> dict[str, int]:
    """People per grade by largest remainder: 17 at 20/70/10 → 3/12/2; shares are relative, ties to the earlier."""
    whole = sum(shares.values(), Fraction(0))
    if not whole:
        return dict.fromkeys(shares, 0)
    exact = {grade: size * share / whole for grade, share in shares.items()}
    counts = {grade: math.floor(value) for grade, value in exact.items()}
    order = sorted(exact, key=lambda grade: counts[grade] - exact[grade])
    for grade in order[: size - sum(counts.values())]:
        counts[grade] += 1
    return counts


def outside(held: Mapping[str, int], shares: Mapping[str, Fraction]) -> tuple[str, ...]:
    """Grades held by fewer or more people than their share of all allows, whichever way it is rounded."""
    size, whole = sum(held.values()), sum(shares.values(), Fraction(0))
    if not whole:
        return ()
    exact = {grade: size * share / whole for grade, share in shares.items()}
    return tuple(
        grade for grade, value in exact.items() if not math.floor(value) <= held.get(grade, 0) <= math.ceil(value)
    )


@dataclass(frozen=True, slots=True)
class Group:
    """A calibration group: the path of its department; its size with those of small departments below that joined."""

    path: tuple[str, ...]
    size: int
    pooled: bool


def pool_departments(paths: Iterable[tuple[str, ...]], minimum: int) -> dict[tuple[str, ...], Group]:
    """The group of each department path: a department under the minimum joins its parent, and so on up to the root.

    A group that is still too small at the root is `pooled`: shown, never forced (product.md §8).
    """
    sizes = Counter(paths)
    homes = {path: path for path in sizes}
    for depth in range(max((len(path) for path in sizes), default=0), 1, -1):
        for path in [path for path, count in sizes.items() if len(path) == depth and 0 < count < minimum]:
            sizes[path[:-1]] += sizes.pop(path)
            homes = {origin: path[:-1] if home == path else home for origin, home in homes.items()}
    return {path: Group(home, sizes[home], sizes[home] < minimum) for path, home in homes.items()}
