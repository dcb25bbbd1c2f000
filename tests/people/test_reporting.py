"""Loops and lines of managers."""

from hypothesis import given
from hypothesis import strategies as st

from services.people.domain.reporting import line_of, on_a_loop, would_loop

PEOPLE = st.integers(0, 12)
ORGANISATIONS = st.dictionaries(PEOPLE, st.one_of(st.none(), PEOPLE), max_size=13)


def walks_back(person: int, manager_of: dict[int, int | None]) -> bool:
    manager = manager_of.get(person)
    for _ in manager_of:
        if manager is None or manager == person:
            break
        manager = manager_of.get(manager)
    return manager == person


@given(ORGANISATIONS)
def test_on_a_loop_is_who_walks_back_to_themselves(manager_of: dict[int, int | None]) -> None:
    assert on_a_loop(manager_of) == {person for person in manager_of if walks_back(person, manager_of)}


@given(ORGANISATIONS, PEOPLE, PEOPLE)
def test_would_loop_says_what_the_change_does(manager_of: dict[int, int | None], person: int, manager: int) -> None:
    changed = {**manager_of, person: manager}
    assert would_loop(person, manager, manager_of) == (person in on_a_loop(changed))


@given(ORGANISATIONS, PEOPLE)
def test_a_line_names_nobody_twice(manager_of: dict[int, int | None], person: int) -> None:
    line = list(line_of(person, manager_of))
    assert len({person, *line}) == len(line) + 1
