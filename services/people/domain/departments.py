"""The department tree: paths of ids, and growing it from names written A/B/C."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from services.people.domain.problems import Problem, problem
from services.people.domain.staff_file import CellRefused

MAX_DEPTH = 20
MAX_NAME = 100
# A single word of ASCII with a digit in it is read as a code; everything else as the name of a top-level department.
_CODE_FORM = re.compile(r"(?=.*[0-9])[0-9A-Za-z][0-9A-Za-z._\-]*")


@dataclass(frozen=True, slots=True)
class Department:
    """A node of the tree; `path` leads from the root to the department itself, `path_names` is A/B/C."""

    id: UUID
    name: str
    path: tuple[UUID, ...]
    path_names: str
    code: str = ""

    @property
    def parent_id(self) -> UUID | None:
        """The department above, none for a top-level one."""
        return self.path[-2] if len(self.path) > 1 else None


def parse_path(text: str) -> tuple[str, ...]:
    """The names of `A/B/C`; one leading slash is allowed and marks a name."""
    names = tuple(part.strip() for part in text.removeprefix("/").split("/"))
    if not all(names):
        raise CellRefused("EMPTY_DEPARTMENT_SEGMENT")
    if len(names) > MAX_DEPTH:
        raise CellRefused("DEPARTMENT_TOO_DEEP", limit=MAX_DEPTH)
    if any(len(name) > MAX_NAME for name in names):
        raise CellRefused("TOO_LONG", limit=MAX_NAME)
    return names


class DepartmentTree:
    """The departments of a tenant, found by code or by names; grows what a path names and nobody has yet."""

    def __init__(self, departments: Iterable[Department], new_id: Callable[[], UUID]) -> None:
        self._new_id = new_id
        self._by_place: dict[tuple[UUID | None, str], Department] = {}
        self._by_code: dict[str, Department] = {}
        self._resolved: dict[str, Department] = {}
        self._grown: list[Department] = []
        for department in departments:
            self._by_place[department.parent_id, department.name] = department
            if department.code:
                self._by_code[department.code] = department

    def resolve(self, text: str) -> Department:
        """The department meant by a cell, made if it is a path not seen before; an unknown code is refused."""
        if (known := self._resolved.get(text)) is not None:
            return known
        self._resolved[text] = department = self._resolve(text)
        return department

    def grown_for(self, texts: Iterable[str]) -> list[Department]:
        """The new departments that these cells need, parents first; what only refused rows named is not made."""
        needed = {step for text in set(texts) for step in self.resolve(text).path}
        return [department for department in self._grown if department.id in needed]

    def _resolve(self, text: str) -> Department:
        if "/" not in text:
            if text in self._by_code:
                return self._by_code[text]
            if (None, text) not in self._by_place and _CODE_FORM.fullmatch(text):
                raise CellRefused("UNKNOWN_DEPARTMENT", department=text)
        return self._grow(parse_path(text))

    def _grow(self, names: tuple[str, ...]) -> Department:
        *names_above, name = names
        above = self._grow(tuple(names_above)) if names_above else None
        place = (above.id if above else None, name)
        department = self._by_place.get(place)
        if department is None:
            new_id = self._new_id()
            path, prefix = (above.path, f"{above.path_names}/") if above else ((), "")
            department = Department(new_id, name, (*path, new_id), prefix + name)
            self._by_place[place] = department
            self._grown.append(department)
        return department


def department_problem(tree: DepartmentTree, line: int, text: str) -> tuple[Department | None, Problem | None]:
    """The department of a cell, or what is wrong with it."""
    try:
        return tree.resolve(text), None
    except CellRefused as refused:
        return None, problem(line, "department", refused.code, **refused.parameters)
