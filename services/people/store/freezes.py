"""Freezing a population in one statement, and paging it out as columns."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.people.domain.group_rules import Rule
from services.people.domain.model import FrozenPage, Population
from services.people.store.group_sql import RuleSql
from services.people.store.staff_sql import EMPLOYED_STAFF, NO_NESTED_LOOPS, REPORTS

# Lines longer than this below a loop are cut: they are reported, not rated along.
LOOP_REACH = 32

_CLAIM = text(
    "INSERT INTO frozen_population (tenant_id, id, as_of, request_hash, expire_time)"
    " VALUES (:tenant_id, :freeze_id, :as_of, :request_hash, clock_timestamp() + CAST(:lifetime AS interval))"
    " ON CONFLICT DO NOTHING"
)
_EXPIRED = "expire_time <= clock_timestamp()"
_TENANTS_WITH_EXPIRED = text(f"SELECT DISTINCT tenant_id FROM frozen_population WHERE {_EXPIRED}")  # noqa: S608
_FORGET = text(
    f"DELETE FROM frozen_population WHERE tenant_id = :tenant_id AND id = (SELECT id FROM frozen_population"  # noqa: S608
    f" WHERE tenant_id = :tenant_id AND {_EXPIRED} ORDER BY expire_time LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
)
_FORGET_MEMBERS = text("DELETE FROM frozen_member WHERE tenant_id = :tenant_id AND freeze_id = :freeze_id")
_FIND = text("SELECT request_hash, members FROM frozen_population WHERE tenant_id = :tenant_id AND id = :freeze_id")
_COUNT = text("UPDATE frozen_population SET members = :members WHERE tenant_id = :tenant_id AND id = :freeze_id")

# `staff` is everyone employed on the day; a manager who is not among them is no manager.
# `line` walks down from those without a manager, so each person is visited once whatever the depth; whom it does not
# reach stands on or below a loop, and only those few are walked upward, by `climb`.
# The root of the company is the one without a recorded manager under whom more than half of the staff stands.
# The head of a department is its only member whose manager stands outside, if anybody else is in it; else the manager
# outside to whom all such members report; else nobody.
_FREEZE = """
INSERT INTO frozen_member (tenant_id, freeze_id, employee_id, code, post, level, hired_on, department_path,
                           department_names, department_head, manager_chain, group_ids, problem)
WITH RECURSIVE staff AS MATERIALIZED ({staff}),
reports AS MATERIALIZED ({reports}),
reporting AS MATERIALIZED (
    SELECT p.id, m.id AS manager_id, p.manager_id AS recorded_id, p.department_id, m.department_id AS outside_id
    FROM staff p LEFT JOIN staff m ON m.id = p.manager_id
),
line AS (
    SELECT r.id, ''::bytea AS chain, r.id AS root FROM reporting r WHERE r.manager_id IS NULL
    UNION ALL
    SELECT r.id, uuid_send(r.manager_id) || l.chain, l.root FROM reporting r JOIN line l ON r.manager_id = l.id
),
lost AS MATERIALIZED (
    SELECT r.id, r.manager_id FROM reporting r WHERE NOT EXISTS (SELECT FROM line l WHERE l.id = r.id)
),
climb AS (
    SELECT w.id, w.manager_id AS at, ARRAY[w.manager_id] AS seen FROM lost w
    UNION ALL
    SELECT c.id, w.manager_id, c.seen || w.manager_id FROM climb c JOIN lost w ON w.id = c.at
    WHERE c.at <> c.id AND w.manager_id <> ALL (c.seen) AND cardinality(c.seen) < :reach
),
climbed AS (SELECT DISTINCT ON (id) id, seen FROM climb ORDER BY id, cardinality(seen) DESC),
looped AS (
    SELECT c.id, c.id = ANY (c.seen) AS on_loop,
           (SELECT string_agg(uuid_send(m.id), ''::bytea ORDER BY m.place)
            FROM unnest(c.seen) WITH ORDINALITY AS m (id, place) WHERE m.id <> c.id) AS chain
    FROM climbed c
),
root AS MATERIALIZED (
    SELECT l.root AS id FROM line l JOIN reporting r ON r.id = l.root AND r.recorded_id IS NULL
    GROUP BY l.root HAVING count(*) * 2 > (SELECT count(*) FROM staff)
),
unit AS (
    SELECT d.id, (SELECT string_agg(uuid_send(step.id), ''::bytea ORDER BY step.place)
                  FROM unnest(d.path) WITH ORDINALITY AS step (id, place)) AS path
    FROM department d WHERE d.tenant_id = :tenant_id
),
top AS (
    SELECT r.department_id, count(*) AS tops, (array_agg(r.id))[1] AS only_top,
           count(DISTINCT r.manager_id) AS managers, count(r.manager_id) AS managed,
           (array_agg(r.manager_id))[1] AS manager_id
    FROM reporting r WHERE r.department_id IS NOT NULL AND r.outside_id IS DISTINCT FROM r.department_id
    GROUP BY r.department_id
),
head AS (
    SELECT t.department_id,
           CASE WHEN t.tops = 1 AND n.members > 1 THEN t.only_top
                WHEN t.managers = 1 AND t.managed = t.tops THEN t.manager_id END AS employee_id
    FROM top t JOIN (SELECT department_id, count(*) AS members FROM staff GROUP BY department_id) n
      ON n.department_id = t.department_id
)
SELECT :tenant_id, :freeze_id, s.id, s.code, s.post, s.level, s.hired_on, coalesce(u.path, ''::bytea),
       s.department_names, h.employee_id, coalesce(l.chain, o.chain, ''::bytea), {groups},
       CASE WHEN o.on_loop THEN 'manager_loop'
            WHEN o.id IS NOT NULL OR l.chain <> ''::bytea THEN ''
            WHEN s.id IN (SELECT root.id FROM root) THEN 'root'
            ELSE 'no_manager' END
FROM staff s
LEFT JOIN line l ON l.id = s.id
LEFT JOIN looped o ON o.id = s.id
LEFT JOIN unit u ON u.id = s.department_id
LEFT JOIN head h ON h.department_id = s.department_id
WHERE ({population}) AND s.id <> ALL (CAST(:excluded AS uuid[]))
"""

_PAGE = text("""
SELECT coalesce(string_agg(uuid_send(m.employee_id), ''::bytea ORDER BY m.employee_id), ''::bytea) AS employee_ids,
       array_agg(m.code ORDER BY m.employee_id) AS codes, array_agg(m.post ORDER BY m.employee_id) AS posts,
       array_agg(m.level ORDER BY m.employee_id) AS levels,
       array_agg(coalesce(to_char(m.hired_on, 'YYYY-MM-DD'), '') ORDER BY m.employee_id) AS hired_on,
       array_agg(m.department_path ORDER BY m.employee_id) AS department_paths,
       array_agg(m.department_names ORDER BY m.employee_id) AS department_names,
       array_agg(coalesce(m.department_head::text, '') ORDER BY m.employee_id) AS department_heads,
       array_agg(m.manager_chain ORDER BY m.employee_id) AS manager_chains,
       array_agg(m.group_ids ORDER BY m.employee_id) AS group_ids,
       array_agg(m.problem ORDER BY m.employee_id) AS problems
FROM (SELECT * FROM frozen_member WHERE tenant_id = :tenant_id AND freeze_id = :freeze_id
        AND (CAST(:after AS uuid) IS NULL OR employee_id > CAST(:after AS uuid))
      ORDER BY employee_id LIMIT :limit) m
""")


async def tenants_with_expired(connection: AsyncConnection) -> list[UUID]:
    """Tenants with populations whose time is over (system connection)."""
    return list((await connection.execute(_TENANTS_WITH_EXPIRED)).scalars())


class FreezeStore:
    """Frozen populations of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def claim(self, freeze_id: UUID, as_of: datetime, request_hash: bytes, lifetime: timedelta | None) -> bool:
        """Take the freeze id, for good or for a time; false when it was taken (a concurrent freeze is waited for)."""
        row: dict[str, object] = {"tenant_id": self._tenant_id, "freeze_id": freeze_id, "as_of": as_of}
        row |= {"request_hash": request_hash, "lifetime": lifetime}
        return (await self._connection.execute(_CLAIM, row)).rowcount == 1

    async def find(self, freeze_id: UUID) -> tuple[bytes, int] | None:
        """The hash of what was asked for and the number of members, if the id is known."""
        found = await self._connection.execute(_FIND, {"tenant_id": self._tenant_id, "freeze_id": freeze_id})
        row = found.one_or_none()
        return None if row is None else (row.request_hash, row.members)

    async def freeze(
        self, freeze_id: UUID, day: date, population: Population, meant: Sequence[Rule], kept: dict[UUID, Rule]
    ) -> int:
        """Copy everyone meant with the facts of the day, in one statement; return how many.

        `meant` are the rules of the population's groups, `kept` those whose membership is recorded for each member.
        """
        sql = RuleSql()
        chosen = ["true"] if population.everyone else [
            "s.department_path && CAST(:departments AS uuid[])",
            "s.id = ANY (CAST(:employees AS uuid[]))",
            *(sql.predicate(rule) for rule in meant),
        ]  # fmt: skip
        packed = [
            f"CASE WHEN {sql.predicate(rule)} THEN uuid_send('{group_id}'::uuid) ELSE ''::bytea END"
            for group_id, rule in kept.items()
        ]
        statement = _FREEZE.format(
            staff=EMPLOYED_STAFF,
            reports=REPORTS,
            groups=" || ".join(packed) or "''::bytea",
            population=" OR ".join(chosen),
        )
        parameters: dict[str, object] = {
            "tenant_id": self._tenant_id,
            "freeze_id": freeze_id,
            "day": day,
            "reach": LOOP_REACH,
            "excluded": list(population.exclude_employee_ids),
            **sql.parameters,
        }
        if not population.everyone:
            parameters["departments"] = list(population.department_ids)
            parameters["employees"] = list(population.employee_ids)
        await self._connection.execute(NO_NESTED_LOOPS)
        members = (await self._connection.execute(text(statement), parameters)).rowcount
        await self._connection.execute(
            _COUNT, {"tenant_id": self._tenant_id, "freeze_id": freeze_id, "members": members}
        )
        return members

    async def forget_expired(self) -> UUID | None:
        """Delete the population whose time has been over for longest, with its members; return its id."""
        found = await self._connection.execute(_FORGET, {"tenant_id": self._tenant_id})
        freeze_id: UUID | None = found.scalar_one_or_none()
        if freeze_id is not None:
            members = {"tenant_id": self._tenant_id, "freeze_id": freeze_id}
            await self._connection.execute(_FORGET_MEMBERS, members)
        return freeze_id

    async def page(self, freeze_id: UUID, after: UUID | None, limit: int) -> FrozenPage:
        """The next members by id, as columns; the page is the last when it is not full."""
        key = {"tenant_id": self._tenant_id, "freeze_id": freeze_id, "after": after, "limit": limit}
        row = (await self._connection.execute(_PAGE, key)).one()
        columns = {name: tuple(value or ()) for name, value in row._mapping.items() if name != "employee_ids"}
        return FrozenPage(employee_ids=row.employee_ids, last=len(columns["codes"]) < limit, **columns)
