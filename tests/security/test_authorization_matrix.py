"""Every RPC × every role and process: the real servers refuse exactly whom the tables do not admit."""

from uuid import UUID

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass

from protos.engine.v1 import engine_pb2
from protos.eventlog.v1 import eventlog_pb2
from services.runtime.errors import DeniedError, reason_of
from services.runtime.identity import Gate, Grant, Principal
from tests.identity import Keyring
from tests.security.conftest import NAMED, SERVICES, World, methods_of
from workflows.health import RPC_ACCESS as ENGINE_ACCESS

ROLES = (
    *("employee", "manager", "hr_partner", "hr_admin", "appeal_owner", "facilitator", "auditor", "operator"),
    "installation_admin",
)
NIL = UUID(int=0)
CALLERS = (*ROLES, *(f"service:{name}" for name in NAMED))

# Written by hand: what no person may ever call, and what the administrator of the installation may call.
FOR_PROCESSES_ONLY = {
    "attune.people.v1.PeopleService": {"ResolvePrincipal", "FreezePopulation", "PageFrozenMembers"},
    "attune.goals.v1.GoalsService": {"FreezeAttainments", "ListAttainments"},
    "attune.scoring.v1.ScoringService": {
        *("ComputeScores", "OpenSessions", "CloseSessions", "ReleaseResults"),
    },
}
FOR_THE_INSTALLATION = {"CreateTenant", "ListTenants"}
# Written by hand: what an employee without any role is refused at the door.
CLOSED_TO_EMPLOYEES = {
    *("CreateTenant", "ListTenants", "LinkIdentity", "ImportEmployees", "DepartEmployee", "RehireEmployee"),
    *("RecordAbsence", "TransferEmployee", "CreateGroup", "ListGroups", "PreviewGroup", "GrantRole", "RevokeRole"),
    *("ListRoles", "SetCalendarDays", "ImportGoals", "CheckFormulas", "ListDeliveries"),
    *("ApplyTemplate", "PublishTemplate", "CopyTemplate", "GetTemplate", "ListTemplates", "ListTemplateVersions"),
    *("GetTemplateSchema", "CreateCycle", "ValidateCycle", "LaunchCycle", "PauseCycle", "ResumeCycle", "CancelCycle"),
    *("ReleaseCycle", "CloseStage", "ReopenStage", "ExtendStage", "GetCycleProgress", "GetCycleTimeline"),
    *("CreateSchedule", "ListSchedules", "PauseSchedule", "ResumeSchedule", "ListStalled"),
    *("ReturnTask", "ReassignTask", "ExtendTask", "RemindTasks", "AssignAppeal"),
}


def full_name(method: object) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"  # type: ignore[attr-defined]


async def test_every_method_has_a_row_and_every_row_a_method(world: World) -> None:
    methods = {full_name(method) for service in SERVICES for method in methods_of(service)}
    rows = {row for row in world.access if "eventlog" not in row}
    assert rows == methods
    engine = engine_pb2.DESCRIPTOR.services_by_name["EngineService"]
    assert set(ENGINE_ACCESS) == {full_name(method) for method in engine.methods}


@pytest.mark.parametrize("service", SERVICES)
async def test_callers_are_refused_exactly_where_the_table_does_not_admit_them(world: World, service: str) -> None:
    wrong: list[str] = []
    for method in methods_of(service):
        row = world.access[full_name(method)]
        for caller in CALLERS:
            error = await world.call(service, method, GetMessageClass(method.input_type)(), world.metadata(caller))
            code = error.code() if error else grpc.StatusCode.OK
            admitted = (
                caller.removeprefix("service:") in row.services
                if caller.startswith("service:")
                else caller in row.roles or ("employee" in row.roles and caller != "installation_admin")
            )
            at_the_door = error is not None and code is grpc.StatusCode.PERMISSION_DENIED
            if admitted == (at_the_door and "may not use this method" in (error.details() or "") if error else False):
                wrong.append(f"{caller} {method.name}: {code.name}")
            if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAUTHENTICATED):
                wrong.append(f"{caller} {method.name}: {code.name}")
    assert wrong == []


@pytest.mark.parametrize("scope", [("department", str(NIL)), ("group", str(NIL))], ids=lambda scope: scope[0])
async def test_what_the_whole_tenant_shares_is_closed_to_roles_over_a_part_of_it(
    world: World, scope: tuple[str, str]
) -> None:
    gate = Gate(world.keyring.verifier(), ENGINE_ACCESS)
    followed = eventlog_pb2.DESCRIPTOR.services_by_name["EventLogService"].methods_by_name["ListFollowed"]
    for role in ("operator", "hr_admin", "auditor"):
        partly = Principal(world.tenant_id, "user", "user", world.employee_id, (Grant(role, *scope),))
        for method, row in ENGINE_ACCESS.items():
            with pytest.raises(DeniedError):
                gate.enter(method, dict(world.keyring.as_user(partly)))
            if role in row.roles:
                gate.enter(method, dict(world.metadata(role)))
        for service in SERVICES:
            request = eventlog_pb2.ListFollowedRequest()
            error = await world.call(service, followed, request, world.keyring.as_user(partly))
            assert error is not None, f"{service} tells {role} of {scope[0]}"
            assert error.code() is grpc.StatusCode.PERMISSION_DENIED
            assert await world.call(service, followed, request, world.metadata(role)) is None


async def test_what_only_processes_may_call_is_closed_to_people(world: World) -> None:
    for row, access in world.access.items():
        _, service, method = row.split("/")
        if "eventlog" in service:
            continue
        closed = service.endswith("ClockworkService") or method in FOR_PROCESSES_ONLY.get(service, ())
        assert closed == (not access.roles), row
        assert ("installation_admin" in access.roles) == (method in FOR_THE_INSTALLATION), row


async def test_what_an_employee_without_roles_is_refused(world: World) -> None:
    closed = {
        row.split("/")[2] for row, access in world.access.items() if access.roles and "employee" not in access.roles
    }
    assert closed == CLOSED_TO_EMPLOYEES


@pytest.mark.parametrize("service", SERVICES)
async def test_nobody_enters_without_a_token_of_a_known_key(world: World, service: str, tmp_path: object) -> None:
    stranger = Keyring(tmp_path)  # type: ignore[arg-type]
    user = Principal(world.tenant_id, "user", "user", world.employee_id)
    by_worker = (("authorization", f"Bearer {world.keyring.signer('worker').for_user(user)}"),)
    for method in methods_of(service):
        for metadata in ((), (("authorization", "Bearer x"),), stranger.as_user(user), by_worker):
            error = await world.call(service, method, GetMessageClass(method.input_type)(), metadata)
            assert error is not None
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED, method.name
            assert reason_of(error) == "UNAUTHENTICATED"
