"""Which form rule matches whom, over columns: the launch check looks at a whole population at once.

The same rule as `enrolment.form_of`, which decides for one person when they are enrolled; a test holds them together.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.reviews.domain.model import FormRule

NOBODY = -1
ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Members:
    """Frozen people as columns of equal length; ids are 16 bytes each, several of them one after the other."""

    ids: Sequence[bytes] = ()
    codes: Sequence[str] = ()
    posts: Sequence[str] = ()
    department_paths: Sequence[bytes] = ()
    department_names: Sequence[str] = ()
    department_heads: Sequence[str] = ()
    group_ids: Sequence[bytes] = ()
    problems: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class MembersBuilder:
    """Joins pages of members."""

    _pages: list[Members] = field(default_factory=list)

    def add(self, page: Members) -> None:
        self._pages.append(page)

    def build(self) -> Members:
        names = Members.__dataclass_fields__
        return Members(**{name: [value for page in self._pages for value in getattr(page, name)] for name in names})


def assign_rules(rules: Sequence[FormRule], members: Members) -> list[int]:
    """For each member the index of the first rule that matches, or -1. Linear in members: ids are compared as bytes."""
    assigned = [NOBODY] * len(members)
    waiting: Collection[int] = range(len(members))
    for index, rule in enumerate(rules):
        conditions = list(_conditions(rule, members))
        left: list[int] = []
        for position in waiting:
            if all(holds(position) for holds in conditions):
                assigned[position] = index
            else:
                left.append(position)
        waiting = left
    return assigned


Condition = Callable[[int], bool]


def _conditions(rule: FormRule, members: Members) -> Iterable[Condition]:
    if rule.post:
        yield lambda position: members.posts[position] == rule.post
    if rule.department_id is not None:
        yield _contains(members.department_paths, rule.department_id)
    if rule.group_id is not None:
        yield _contains(members.group_ids, rule.group_id)
    if rule.employee_ids:
        chosen = frozenset(identifier.bytes for identifier in rule.employee_ids)
        yield lambda position: members.ids[position] in chosen


def _contains(column: Sequence[bytes], wanted: UUID) -> Condition:
    """Few distinct values stand in such a column, so each is looked through once."""
    known: dict[bytes, bool] = {}

    def holds(position: int) -> bool:
        packed = column[position]
        if packed not in known:
            known[packed] = wanted.bytes in unpacked(packed)
        return known[packed]

    return holds


def unpacked(packed: bytes) -> list[bytes]:
    """The ids of a packed column, in order."""
    return [packed[start : start + ID_BYTES] for start in range(0, len(packed), ID_BYTES)]
