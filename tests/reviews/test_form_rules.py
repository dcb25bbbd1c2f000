"""Form rules: the first match wins, and both readings of the rule agree."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reviews.domain.bulk import FrozenMember
from services.reviews.domain.enrolment import form_of
from services.reviews.domain.form_rules import NOBODY, Members, MembersBuilder, assign_rules
from services.reviews.domain.model import FormRule

IDS = [UUID(int=number) for number in range(1, 5)]
some = st.sampled_from(IDS)
rules = st.builds(
    FormRule,
    form_id=some,
    template_id=some,
    template_version=st.just(1),
    group_id=st.none() | some,
    department_id=st.none() | some,
    post=st.sampled_from(["", "clerk", "driver"]),
    employee_ids=st.lists(some, max_size=2).map(tuple),
)
members = st.builds(
    FrozenMember,
    employee_id=some,
    code=st.just("E1"),
    post=st.sampled_from(["", "clerk", "driver"]),
    level=st.just(""),
    department_path=st.lists(some, max_size=3),
    department_name=st.just(""),
    department_head_id=st.none(),
    manager_chain=st.just([]),
    group_ids=st.lists(some, max_size=3),
    hired_on=st.none(),
)


def columns(people: list[FrozenMember]) -> Members:
    return Members(
        ids=[each.employee_id.bytes for each in people],
        codes=[each.code for each in people],
        posts=[each.post for each in people],
        department_paths=[b"".join(unit.bytes for unit in each.department_path) for each in people],
        department_names=[each.department_name for each in people],
        department_heads=["" for _ in people],
        group_ids=[b"".join(group.bytes for group in each.group_ids) for each in people],
        problems=[each.problem for each in people],
    )


@settings(max_examples=200)
@given(st.lists(rules, max_size=4), st.lists(members, max_size=6))
def test_columns_and_persons_are_judged_alike(some_rules: list[FormRule], people: list[FrozenMember]) -> None:
    assigned = assign_rules(some_rules, columns(people))
    expected = [form_of(each, some_rules) for each in people]
    assert [None if index == NOBODY else some_rules[index].form_id for index in assigned] == expected


def test_the_first_match_wins_and_a_rule_without_conditions_matches_everybody() -> None:
    posts = Members(ids=[bytes(16), bytes(15) + b"1"], posts=["clerk", "driver"])
    drivers = FormRule(IDS[0], IDS[0], 1, post="driver")
    fallback = FormRule(IDS[1], IDS[1], 1)
    assert assign_rules([drivers, fallback], posts) == [1, 0]
    assert assign_rules([fallback, drivers], posts) == [0, 0]
    assert assign_rules([drivers], posts) == [NOBODY, 0]
    assert assign_rules([], posts) == [NOBODY, NOBODY]


def test_an_id_matches_only_where_an_id_begins() -> None:
    wanted = UUID(bytes=bytes(range(16)))
    shifted = bytes([0]) + wanted.bytes + bytes(15)
    members_of_nothing = Members(ids=[bytes(16)], department_paths=[shifted])
    assert assign_rules([FormRule(IDS[0], IDS[0], 1, department_id=wanted)], members_of_nothing) == [NOBODY]


def test_pages_join() -> None:
    builder = MembersBuilder()
    builder.add(Members(ids=[bytes(16)], codes=["a"]))
    builder.add(Members(ids=[bytes(15) + b"1"], codes=["b"]))
    assert builder.build().codes == ["a", "b"]
