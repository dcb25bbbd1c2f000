"""Who sees what: one rule, as a decision about a goal and as a condition on the table; tenants never meet."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from protos.goals.v1 import goals_pb2
from services.goals import policy
from services.goals.domain.model import Goal, GoalState, Measure, Mode, Owner
from services.goals.store import GoalsWork
from services.goals.tables import goal as goal_table
from services.runtime.database import Database, Origin
from services.runtime.identity import Grant, Principal

TENANT = UUID(int=11)
PEOPLE = [uuid5(TENANT, f"person {number}") for number in range(5)]
UNITS = [uuid5(TENANT, f"unit {number}") for number in range(4)]
TABLES = ("goal", "goal_version", "check_in", "attainment_freeze", "attainment")
STANDINGS = [
    Owner(PEOPLE[0]),
    Owner(PEOPLE[0], (UNITS[0],), (PEOPLE[1],)),
    Owner(PEOPLE[1], (UNITS[0], UNITS[1]), (PEOPLE[2], PEOPLE[3])),
    Owner(PEOPLE[2], (UNITS[0], UNITS[2]), (PEOPLE[3],)),
    Owner(PEOPLE[3], (UNITS[3],), ()),
    Owner(PEOPLE[4], (UNITS[0], UNITS[1], UNITS[2]), (PEOPLE[1], PEOPLE[2], PEOPLE[3])),
]


def goal_of(owner: Owner) -> Goal:
    return Goal(
        id=uuid5(TENANT, repr(owner)),
        owner=owner,
        name="g",
        description="",
        mode=Mode.MBO,
        state=GoalState.DRAFT,
        weight=Decimal(100),
        period_start=date(2026, 1, 1),
        period_end=date(2026, 12, 31),
        measures=(Measure(uuid5(TENANT, "m"), "m", Decimal(100)),),
    )


GOALS = [goal_of(owner) for owner in STANDINGS]


@dataclass(frozen=True)
class Somebody:
    """A caller."""

    employee_id: UUID | None
    roles: tuple[Grant, ...]


ROLES = st.sampled_from(["employee", "manager", "hr_admin", "hr_partner", "auditor", "operator", "appeal_owner"])
SCOPES = st.one_of(
    st.just(("tenant", "")),
    st.tuples(st.just("department"), st.sampled_from([*(str(unit) for unit in UNITS), "Head/Sales", ""])),
    st.tuples(st.just("group"), st.sampled_from([str(UNITS[0])])),
)
GRANTS = st.builds(lambda role, scope: Grant(role, *scope), ROLES, SCOPES)
CALLERS = st.builds(
    Somebody, st.sampled_from([*PEOPLE, uuid5(TENANT, "stranger"), None]), st.lists(GRANTS, max_size=3).map(tuple)
)


@pytest.fixture(scope="module")
async def stored(service_database: Callable[[str], Database]) -> Database:
    """The goals in their table."""
    database = service_database("goals")
    async with database.transaction(TENANT) as connection:
        work = GoalsWork(connection, Origin(Principal(TENANT, "service", "goals"), TENANT))
        await work.goals.add(GOALS, "x")
    return database


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=200)
@given(caller=CALLERS)
async def test_the_list_holds_what_may_be_seen(stored: Database, caller: Somebody) -> None:
    query = select(goal_table.c.id).where(goal_table.c.tenant_id == TENANT, policy.visible(caller))
    async with stored.transaction(TENANT) as connection:
        listed = set((await connection.execute(query)).scalars())
    assert listed == {goal.id for goal in GOALS if policy.can(caller, "see", goal)}


@given(CALLERS, st.sampled_from(GOALS), st.sampled_from(sorted(policy.MAY)))
def test_nobody_does_what_they_do_not_see(caller: Somebody, goal: Goal, action: str) -> None:
    assert not policy.can(caller, action, goal) or policy.can(caller, "see", goal)


@given(CALLERS, st.sampled_from(sorted(policy.NOT_ON_ONESELF)))
def test_nobody_decides_on_their_own(caller: Somebody, action: str) -> None:
    owned = [goal for goal in GOALS if goal.owner.id == caller.employee_id]
    assert not [goal for goal in owned if policy.can(caller, action, goal)]


def test_every_method_has_a_row() -> None:
    service = goals_pb2.DESCRIPTOR.services_by_name["GoalsService"]
    assert set(policy.RPC_ACCESS) == {f"/{service.full_name}/{method.name}" for method in service.methods}


async def test_rows_are_their_tenants_alone(stored: Database) -> None:
    async with stored.transaction(UUID(int=12)) as connection:
        for table in TABLES:
            assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0
        changed = await connection.execute(text("UPDATE goal SET name = 'stolen'"))
        assert changed.rowcount == 0
        with pytest.raises(DBAPIError, match="row-level security"):
            await connection.execute(
                text(
                    "INSERT INTO attainment_freeze (tenant_id, id, period_start, period_end, as_of, count)"
                    " VALUES (:t, :t, '2026-01-01', '2026-01-02', now(), 0)"
                ),
                {"t": TENANT},
            )


async def test_without_a_tenant_nothing_is_answered(stored: Database) -> None:
    for table in TABLES:
        async with stored.app.connect() as connection:
            with pytest.raises(DBAPIError):
                await connection.execute(text(f"SELECT count(*) FROM {table}"))


async def test_the_system_role_sees_no_goals(stored: Database) -> None:
    for table in TABLES:
        async with stored.system_transaction() as connection:
            assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0
