"""Calls to people: where owners stand in the organisation."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from protos.people.v1 import people_pb2, people_pb2_grpc
from services.goals.domain.model import Owner
from services.runtime.clock import utc_now
from services.runtime.identity import TokenSigner, call_metadata

CALL_SECONDS = 10.0
BATCH = 2000
DEEPEST = 50  # managers above one another; beyond it the line is taken as it is
PAGE = 500


class PeopleClient:
    """People by gRPC, in the name of this service."""

    def __init__(self, stub: "people_pb2_grpc.PeopleServiceAsyncStub", signer: TokenSigner) -> None:
        self._stub, self._signer = stub, signer

    async def ids_of(self, tenant_id: UUID, codes: Sequence[str]) -> Mapping[str, UUID]:
        """Return the ids of the codes that exist."""
        found: dict[str, UUID] = {}
        for batch in _batches(codes):
            request = people_pb2.ResolveReferencesRequest(employees=batch)
            reply = await self._stub.ResolveReferences(
                request, timeout=CALL_SECONDS, metadata=call_metadata(self._signer, tenant_id)
            )
            found |= {code: UUID(each) for code, each in reply.employees.items()}
        return found

    async def standing(self, tenant_id: UUID, employee_ids: Sequence[UUID]) -> Mapping[UUID, Owner]:
        """Return departments and managers of people as of today, those who have left included."""
        people: dict[str, people_pb2.Employee] = {}
        wanted = {str(each) for each in employee_ids}
        for _ in range(DEEPEST):
            missing = sorted(wanted - people.keys())
            if not missing:
                break
            fetched = await self._employees(tenant_id, missing)
            people |= fetched
            wanted = {each.manager_id for each in fetched.values() if each.manager_id}
        paths = await self._department_paths(tenant_id)
        return {each: _owner(each, people, paths) for each in employee_ids if str(each) in people}

    async def _employees(self, tenant_id: UUID, ids: Sequence[str]) -> dict[str, people_pb2.Employee]:
        found: dict[str, people_pb2.Employee] = {}
        for batch in _batches(ids):
            request = people_pb2.BatchGetEmployeesRequest(employee_ids=batch)
            reply = await self._stub.BatchGetEmployees(
                request, timeout=CALL_SECONDS, metadata=call_metadata(self._signer, tenant_id)
            )
            found |= {each.id: each for each in reply.employees}
        return found

    async def _department_paths(self, tenant_id: UUID) -> dict[str, tuple[UUID, ...]]:
        paths: dict[str, tuple[UUID, ...]] = {}
        token = ""
        while True:
            request = people_pb2.ListDepartmentsRequest(page_size=PAGE, page_token=token)
            reply = await self._stub.ListDepartments(
                request, timeout=CALL_SECONDS, metadata=call_metadata(self._signer, tenant_id)
            )
            paths |= {each.id: tuple(UUID(part) for part in each.path_ids) for each in reply.departments}
            token = reply.next_page_token
            if not token:
                return paths


def _owner(
    employee_id: UUID, people: Mapping[str, people_pb2.Employee], paths: Mapping[str, tuple[UUID, ...]]
) -> Owner:
    found = people[str(employee_id)]
    departed = bool(found.left_on) and date.fromisoformat(found.left_on) < utc_now().date()
    return Owner(employee_id, paths.get(found.department_id, ()), _chain(people, found.id), departed)


def _chain(people: Mapping[str, people_pb2.Employee], employee_id: str) -> tuple[UUID, ...]:
    chain: list[str] = []
    above = people[employee_id].manager_id
    while above and above not in chain and above != employee_id and len(chain) < DEEPEST:
        chain.append(above)
        above = people[above].manager_id if above in people else ""
    return tuple(UUID(each) for each in chain)


def _batches(values: Iterable[str]) -> list[list[str]]:
    every = list(values)
    return [every[at : at + BATCH] for at in range(0, len(every), BATCH)]
