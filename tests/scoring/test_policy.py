"""What `view_of` says of a row and what the SQL of lists finds agree, for every reader and every row."""

from itertools import product
from uuid import UUID

import pytest
from sqlalchemy import select

from protos.scoring.v1 import scoring_pb2
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.identity import Grant, Principal
from services.scoring import policy
from services.scoring.domain.model import Subject
from services.scoring.policy import RPC_ACCESS, View, view_of, visible_results
from services.scoring.store.results import ResultStore
from services.scoring.tables import result
from tests.scoring.conftest import Company

ROLES = ("hr_admin", "hr_partner", "auditor", "operator", "manager", "facilitator", "appeal_owner")


def test_every_rpc_has_a_row_and_operators_have_none() -> None:
    service = scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"]
    assert set(RPC_ACCESS) == {policy.SERVICE + method.name for method in service.methods}
    operator = Principal(UUID(int=1), "user", "user", None, (Grant("operator"),))
    assert not any(access.admits(operator) for access in RPC_ACCESS.values())


@pytest.mark.parametrize("released", [False, True])
async def test_can_and_the_sql_agree(company: Company, database: Database, released: bool) -> None:
    root, left, right = new_id(), new_id(), new_id()
    paths = [(root,), (root, left), (root, right), ()]
    chains = [(), (company.manager_id,), (new_id(), company.manager_id)]
    people = [
        Subject(new_id(), new_id(), "staff", company.subject(("manager", 80)).inputs, path, "", None, chain)
        for path, chain in product(paths, chains)
    ]
    company.set_cycle(people)
    await company.compute()
    await company.open_sessions()
    if released:
        stage = {"cycle_id": str(company.cycle_id), "stage_id": str(company.calibration_stage)}
        await company.scoring.CloseSessions(scoring_pb2.CloseSessionsRequest(**stage, epoch=1), **company.worker)
        await company.release()
    scopes = [("tenant", ""), *(("department", str(each)) for each in (root, left, new_id())), ("group", str(left))]
    scopes.append(("department", f"{root}/{right}"))
    grants = [(Grant(role, *scope),) for role, scope in product(ROLES, scopes)]
    readers = [people[0].employee_id, people[4].employee_id, company.manager_id, company.owner_id, new_id(), None]
    seen: set[View] = set()
    async with database.transaction(company.tenant_id) as connection:
        store = ResultStore(connection, company.tenant_id)
        rows = [found for each in people if (found := await store.find(participant_id=each.participant_id))]
        assert len(rows) == len(people)
        for employee_id, held in product(readers, [(), *grants]):
            principal = Principal(company.tenant_id, "user", "user", employee_id, held)
            views = {row.id: view_of(principal, row) for row in rows}
            seen |= set(views.values())
            listed = await connection.execute(
                select(result.c.id).where(result.c.cycle_id == company.cycle_id, visible_results(principal))
            )
            assert {row.id for row in listed} == {each for each, view in views.items() if view is not View.NONE}
    assert seen == ({View.NONE, View.OWN, View.LINE, View.FULL} if released else {View.NONE, View.FULL})
