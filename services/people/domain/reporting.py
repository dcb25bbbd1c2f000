"""Reporting lines as graphs: who stands on a loop, and what may be changed without making one."""

from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

Person = TypeVar("Person", bound=Hashable)


def on_a_loop(manager_of: Mapping[Person, Person | None]) -> set[Person]:
    """Everyone whose reporting line leads back to themselves; those below a loop are not on it. O(n)."""
    finished: set[Person] = set()
    looped: set[Person] = set()
    for start in manager_of:
        walked: list[Person] = []
        position: dict[Person, int] = {}
        person: Person | None = start
        while person is not None and person not in finished and person not in position:
            position[person] = len(walked)
            walked.append(person)
            person = manager_of.get(person)
        if person is not None and person in position:
            looped.update(walked[position[person] :])
        finished.update(walked)
    return looped


def line_of(person: Person, manager_of: Mapping[Person, Person | None]) -> Iterator[Person]:
    """The managers of `person` from their own upward; ends at the root or where somebody would come twice."""
    seen = {person}
    manager = manager_of.get(person)
    while manager is not None and manager not in seen:
        seen.add(manager)
        yield manager
        manager = manager_of.get(manager)


def would_loop(person: Person, manager: Person | None, manager_of: Mapping[Person, Person | None]) -> bool:
    """Whether making `manager` the manager of `person` leads the line back to `person`."""
    return manager is not None and (manager == person or person in line_of(manager, manager_of))
