"""The launch as raw SQL: three statements over the staff, in one transaction, without row-level security."""

import time
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services.people.domain.model import Population
from services.people.store.freezes import FreezeStore
from tests.bench.standing import Standing

CYCLE = text("SELECT launched_at, (forms->0->>'form_id')::uuid AS form_id FROM reviews.cycle WHERE id = :cycle_id")
PARTICIPANTS = text(
    """
    INSERT INTO reviews.participant (tenant_id, id, cycle_id, employee_id, state, code, department_path,
        department_name, department_head_id, manager_chain, post, level, hired_on, form_id, findings)
    WITH RECURSIVE line AS (
        SELECT a.employee_id, a.department_id, '{}'::uuid[] AS chain FROM people.assignment a
        WHERE a.tenant_id = :tenant_id AND a.manager_id IS NULL
        UNION ALL
        SELECT a.employee_id, a.department_id, a.manager_id || l.chain
        FROM people.assignment a JOIN line l ON a.manager_id = l.employee_id WHERE a.tenant_id = :tenant_id
    )
    SELECT f.tenant_id, reviews.deterministic_id(:at, CAST(CAST(:cycle_id AS uuid) AS text), f.employee_id::text),
        CAST(:cycle_id AS uuid), f.employee_id, CASE f.problem WHEN 'root' THEN 'exempt' ELSE 'enrolled' END, f.code,
        d.path, f.department_names, f.department_head, l.chain, f.post, f.level, f.hired_on, CAST(:form_id AS uuid),
        CASE f.problem WHEN 'root' THEN '{ROOT_OF_REPORTING_TREE}'::text[] ELSE '{}' END
    FROM people.frozen_member f
        JOIN line l ON l.employee_id = f.employee_id
        JOIN people.department d ON d.tenant_id = f.tenant_id AND d.id = l.department_id
    WHERE f.tenant_id = :tenant_id AND f.freeze_id = :cycle_id
    """
)
RATERS = text(
    """
    INSERT INTO reviews.rater (tenant_id, id, cycle_id, participant_id, relation, rater_id)
    SELECT p.tenant_id, reviews.deterministic_id(:at, p.id::text, 'manager', p.manager_chain[1]::text), p.cycle_id,
        p.id, 'manager', p.manager_chain[1]
    FROM reviews.participant p
    WHERE p.tenant_id = :tenant_id AND p.cycle_id = :cycle_id AND p.state = 'enrolled'
    """
)
SAME = "employee_id, state, code, department_path, department_name, department_head_id, manager_chain, post, level, " \
    "group_ids, hired_on, form_id, findings"  # fmt: skip
DIFFERENT = text(
    f"""
    SELECT count(*) FROM (
        (SELECT {SAME} FROM reviews.participant WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id
         EXCEPT SELECT {SAME} FROM reviews.participant WHERE tenant_id = :tenant_id AND cycle_id = :other_id)
        UNION ALL
        (SELECT {SAME} FROM reviews.participant WHERE tenant_id = :tenant_id AND cycle_id = :other_id
         EXCEPT SELECT {SAME} FROM reviews.participant WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id)) AS unlike
    """
)
RATED = text("SELECT count(*) FROM reviews.rater WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id")
FORGET = (
    "DELETE FROM people.frozen_member WHERE tenant_id = :tenant_id AND freeze_id = :cycle_id",
    "DELETE FROM people.frozen_population WHERE tenant_id = :tenant_id AND id = :cycle_id",
    "DELETE FROM reviews.participant WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id",
    "DELETE FROM reviews.rater WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id",
)


async def run_script(standing: Standing, tenant_id: str, launched: str) -> float:
    """Make again, for a cycle of the script's own, the rows that a launch has made; seconds.

    Raises AssertionError when they differ in more than ids. The rows are deleted afterwards.
    """
    url = standing.stack.wiring().admin_database_url().replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    script = {"tenant_id": UUID(tenant_id), "cycle_id": uuid4()}
    try:
        async with engine.connect() as connection:
            cycle = (await connection.execute(CYCLE, {"cycle_id": UUID(launched)})).one()
            await connection.execute(text("CHECKPOINT"))
        async with engine.execution_options(isolation_level="READ COMMITTED").connect() as connection:
            begun = time.perf_counter()
            await _write(connection, script, cycle.launched_at, cycle.form_id)
            await connection.commit()
            taken = time.perf_counter() - begun
            await _compare(connection, script, UUID(launched))
            for statement in FORGET:
                await connection.execute(text(statement), script)
            await connection.commit()
    finally:
        await engine.dispose()
    return taken


async def _write(connection: AsyncConnection, script: dict[str, UUID], at: datetime, form_id: UUID) -> None:
    await connection.execute(text("SET LOCAL search_path = people"))
    freezes = FreezeStore(connection, script["tenant_id"])
    await freezes.claim(script["cycle_id"], at, b"", lifetime=None)
    await freezes.freeze(script["cycle_id"], at.date(), Population(everyone=True), [], {})
    await connection.execute(PARTICIPANTS, {**script, "at": at, "form_id": form_id})
    await connection.execute(RATERS, {**script, "at": at})


async def _compare(connection: AsyncConnection, script: dict[str, UUID], launched: UUID) -> None:
    unlike = (await connection.execute(DIFFERENT, {**script, "other_id": launched})).scalar_one()
    assert unlike == 0, f"{unlike} participants of the script and of the launch differ"
    both = {key: {**script, "cycle_id": key} for key in (script["cycle_id"], launched)}
    counts = {(await connection.execute(RATED, keys)).scalar_one() for keys in both.values()}
    assert len(counts) == 1, f"the script and the launch made different numbers of raters: {counts}"
