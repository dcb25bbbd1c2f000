"""Visibility: the answer for a row in hand and the condition for lists are one and the same, in every case."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import ARRAY, Text, Uuid, cast, column, select, values
from sqlalchemy.types import Boolean

from services.reviews.domain.errors import Denied, SelfDealing
from services.reviews.domain.model import TaskKind
from services.reviews.policy import Columns, Facts, can, require, where
from services.reviews.policy.visibility import RULES
from services.runtime.database import Database
from services.runtime.identity import Grant, Principal

TENANT = UUID(int=1)
PEOPLE = [UUID(int=0xE0 + number) for number in range(4)]
UNITS = [UUID(int=0xD0 + number) for number in range(3)]
GROUPS = [UUID(int=0xA0 + number) for number in range(2)]
ROLES = ["hr_admin", "hr_partner", "auditor", "operator", "manager", "appeal_owner", "facilitator", "unheard_of"]

people = st.sampled_from(PEOPLE)
scopes = st.one_of(
    st.just(("tenant", "")),
    st.sampled_from(UNITS).map(lambda unit: ("department", str(unit))),
    st.sampled_from(UNITS).map(lambda unit: ("department", f"{UNITS[0]}/{unit}/")),
    st.sampled_from(GROUPS).map(lambda group: ("group", str(group))),
    st.sampled_from([("department", "no id"), ("group", ""), ("planet", str(UNITS[0]))]),
)
grants = st.builds(lambda role, scope: Grant(role, *scope), st.sampled_from(ROLES), scopes)
actors = st.builds(
    lambda employee, roles, behalf: Principal(TENANT, "user", "user", employee, tuple(roles), on_behalf_of=behalf),
    st.none() | people,
    st.lists(grants, max_size=3),
    st.none() | people,
)
rows = st.builds(
    Facts,
    assignee_id=st.none() | people,
    subject_id=st.none() | people,
    kind=st.sampled_from([kind.value for kind in TaskKind]),
    manager_chain=st.lists(people, max_size=3, unique=True).map(tuple),
    department_path=st.lists(st.sampled_from(UNITS), max_size=3, unique=True).map(tuple),
    group_ids=st.frozensets(st.sampled_from(GROUPS)),
    confidential=st.booleans(),
)


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


def as_table(facts: list[Facts], *, sheets: bool) -> tuple[Any, Columns]:
    """The rows as a table of the database; a sheet has no participant, so that its columns are null, not empty."""
    columns = {
        "number": column("number", Text),
        "assignee_id": column("assignee_id", Uuid),
        "subject_id": column("subject_id", Uuid),
        "kind": column("kind", Text),
        "manager_chain": column("manager_chain", ARRAY(Uuid)),
        "department_path": column("department_path", ARRAY(Uuid)),
        "group_ids": column("group_ids", ARRAY(Uuid)),
        "confidential": column("confidential", Boolean),
    }
    data = [
        (
            str(number),
            row.assignee_id,
            row.subject_id,
            row.kind,
            None if sheets and not row.manager_chain else list(row.manager_chain),
            None if sheets and not row.department_path else list(row.department_path),
            None if sheets and not row.group_ids else sorted(row.group_ids),
            row.confidential,
        )
        for number, row in enumerate(facts)
    ]
    written = values(*columns.values(), name="written").data(data)
    table = select(*(cast(written.c[name], each.type).label(name) for name, each in columns.items())).cte("facts")
    return table, Columns(**{name: table.c[name] for name in columns if name != "number"})


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(actor=actors, facts=st.lists(rows, min_size=1, max_size=12), sheets=st.booleans())
async def test_the_condition_selects_exactly_the_rows_that_the_answer_allows(
    database: Database, actor: Principal, facts: list[Facts], sheets: bool
) -> None:
    table, columns = as_table(facts, sheets=sheets)
    async with database.transaction(TENANT) as connection:
        for action in RULES:
            query = select(table.c.number).where(where(actor, action, columns))
            selected = {int(number) for number in (await connection.execute(query)).scalars()}
            assert selected == {number for number, row in enumerate(facts) if can(actor, action, row)}, action


def person(employee: UUID | None, *roles: str, **given: Any) -> Principal:
    return Principal(TENANT, "user", "user", employee, tuple(Grant(role) for role in roles), **given)


@given(actor=actors, row=rows)
def test_nobody_judges_themselves_whatever_their_roles_and_mandates(actor: Principal, row: Facts) -> None:
    if actor.employee_id is not None and actor.employee_id == row.subject_id:
        for action in ("task.return", "appeal.decide", "appeal.assign", "interview.schedule"):
            assert not can(actor, action, row)
            with pytest.raises(SelfDealing):
                require(actor, action, row)


@given(row=rows)
def test_operators_see_state_and_never_content(row: Facts) -> None:
    operator = person(UUID(int=0xF0), "operator")
    states = {"task.see", "participant.see", "dispute.see"}
    assert all(can(operator, action, row) for action in states)
    for action in set(RULES) - states:
        assert not can(operator, action, row)


@given(row=rows)
def test_auditors_read_all_and_write_nothing(row: Facts) -> None:
    auditor = person(UUID(int=0xF0), "auditor")
    allowed = {action for action in RULES if can(auditor, action, row)}
    assert allowed == {action for action in RULES if action.endswith((".see", ".read"))}


@given(row=rows)
def test_peers_answers_are_read_by_their_author_and_the_auditor_alone(row: Facts) -> None:
    if row.kind == TaskKind.PEER_REVIEW:
        for roles in (("hr_admin",), ("hr_partner",), ("operator",), ("manager",)):
            for employee in (UUID(int=0xF0), *PEOPLE):
                assert can(person(employee, *roles), "task.read", row) == (employee == row.assignee_id)


@given(row=rows)
def test_no_role_tells_people_who_rates_them_as_a_peer_or_what_they_say(row: Facts) -> None:
    if row.kind != TaskKind.PEER_REVIEW or row.subject_id is None or row.subject_id == row.assignee_id:
        return
    for role in ROLES:
        assert not {"task.see", "task.read", "task.administer"} & {
            action for action in RULES if can(person(row.subject_id, role), action, row)
        }, role


@given(row=rows)
def test_managers_do_not_learn_that_their_report_appeals(row: Facts) -> None:
    for manager in set(row.manager_chain) - {row.assignee_id, row.subject_id}:
        assert can(person(manager, "manager"), "participant.see", row)
        assert not can(person(manager, "manager"), "dispute.see", row)
        if row.kind == TaskKind.APPEAL:
            assert not can(person(manager, "manager"), "task.see", row)


def test_what_is_confidential_is_hidden_from_the_administrator_it_is_about() -> None:
    me = PEOPLE[0]
    row = Facts(assignee_id=PEOPLE[1], subject_id=me, kind="manager_review", confidential=True)
    assert not can(person(me, "hr_admin"), "task.see", row)
    assert can(person(PEOPLE[2], "hr_admin"), "task.see", row)
    with pytest.raises(Denied):
        require(person(PEOPLE[3]), "task.see", row)
