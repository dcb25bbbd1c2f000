"""Groups, roles, the calendar and frozen populations."""

import json
from datetime import date
from uuid import UUID

from protos.people.v1 import people_pb2
from services.people.convert.employees import employee
from services.people.convert.fields import (
    from_instant,
    from_key,
    to_date,
    to_id_key,
    to_instant,
    to_optional_date,
    to_optional_uuid,
    to_page_size,
    to_uuid,
    to_uuids,
)
from services.people.domain.calendar import CalendarDay
from services.people.domain.errors import Invalid
from services.people.domain.model import FrozenPage, Group, MemberProblem, Page, Population, Role, RoleGrant, ScopeKind
from services.people.usecases.calendar import CalendarSpan, Span
from services.people.usecases.freezes import MAX_PAGE, FreezePopulation, PageFrozenMembers
from services.people.usecases.groups import CreateGroup, Preview, PreviewGroup
from services.people.usecases.roles import GrantRole, ListRoles
from services.people.usecases.tenants import Paging

_PROBLEMS = {
    MemberProblem.NONE: people_pb2.MEMBER_PROBLEM_UNSPECIFIED,
    MemberProblem.NO_MANAGER: people_pb2.MEMBER_PROBLEM_NO_MANAGER,
    MemberProblem.MANAGER_LOOP: people_pb2.MEMBER_PROBLEM_MANAGER_LOOP,
    MemberProblem.ROOT: people_pb2.MEMBER_PROBLEM_ROOT,
}


def create_group(request: people_pb2.CreateGroupRequest) -> CreateGroup:
    """The group as a user writes it."""
    return CreateGroup(request.name, request.rule_json)


def create_group_reply(group: Group) -> people_pb2.CreateGroupResponse:
    """The group as stored."""
    return people_pb2.CreateGroupResponse(group=_group(group))


def list_groups(request: people_pb2.ListGroupsRequest) -> Paging:
    """Which page."""
    return Paging(to_id_key(request.page_token), to_page_size(request.page_size))


def list_groups_reply(page: Page[Group]) -> people_pb2.ListGroupsResponse:
    """A page of groups."""
    token = from_key(page.items[-1].id, more=True) if page.more else ""
    return people_pb2.ListGroupsResponse(groups=[_group(item) for item in page.items], next_page_token=token)


def preview_group(request: people_pb2.PreviewGroupRequest) -> PreviewGroup:
    """The rule and the day."""
    return PreviewGroup(request.rule_json, to_optional_date(request.on, "on"))


def preview_group_reply(preview: Preview) -> people_pb2.PreviewGroupResponse:
    """How many, and the first of them."""
    return people_pb2.PreviewGroupResponse(count=preview.count, sample=[employee(item) for item in preview.sample])


def grant_role(request: people_pb2.GrantRoleRequest) -> GrantRole:
    """Which role for whom over what."""
    try:
        role = Role(request.role)
    except ValueError:
        raise Invalid(f"roles: {', '.join(Role)}", field="role") from None
    try:
        scope_kind = ScopeKind(request.scope_kind or "tenant")
    except ValueError:
        raise Invalid(f"scopes: {', '.join(ScopeKind)}", field="scope_kind") from None
    return GrantRole(to_uuid(request.employee_id, "employee_id"), role, scope_kind, request.scope_id)


def grant_role_reply(grant: RoleGrant) -> people_pb2.GrantRoleResponse:
    """The grant."""
    return people_pb2.GrantRoleResponse(grant=_grant(grant))


def revoke_role(request: people_pb2.RevokeRoleRequest) -> UUID:
    """Which grant."""
    return to_uuid(request.grant_id, "grant_id")


def revoke_role_reply(_: None) -> people_pb2.RevokeRoleResponse:
    """Done."""
    return people_pb2.RevokeRoleResponse()


def list_roles(request: people_pb2.ListRolesRequest) -> ListRoles:
    """Which grants, and which page of them."""
    return ListRoles(
        role=request.role,
        employee_id=to_optional_uuid(request.employee_id, "employee_id"),
        after=to_id_key(request.page_token),
        limit=to_page_size(request.page_size),
    )


def list_roles_reply(page: Page[RoleGrant]) -> people_pb2.ListRolesResponse:
    """A page of grants."""
    token = from_key(page.items[-1].id, more=True) if page.more else ""
    return people_pb2.ListRolesResponse(grants=[_grant(item) for item in page.items], next_page_token=token)


def list_calendar_days(request: people_pb2.ListCalendarDaysRequest) -> Span:
    """The span."""
    return Span(to_date(getattr(request, "from"), "from"), to_date(request.to, "to"))


def list_calendar_days_reply(found: CalendarSpan) -> people_pb2.ListCalendarDaysResponse:
    """Every day of the span."""
    days = [
        people_pb2.CalendarDay(
            date=entry.day.isoformat(), working=entry.workday, name=entry.name, overridden=entry.overridden
        )
        for entry in found.days
    ]
    return people_pb2.ListCalendarDaysResponse(days=days, time_zone=found.zone)


def set_calendar_days(request: people_pb2.SetCalendarDaysRequest) -> list[CalendarDay]:
    """The days that HR sets."""
    return [
        CalendarDay(_day(index, entry.date), entry.working, entry.name, overridden=True)
        for index, entry in enumerate(request.days)
    ]


def set_calendar_days_reply(_: None) -> people_pb2.SetCalendarDaysResponse:
    """Done."""
    return people_pb2.SetCalendarDaysResponse()


def freeze_population(request: people_pb2.FreezePopulationRequest) -> FreezePopulation:
    """Whom to freeze as of when."""
    wanted = request.population
    population = Population(
        everyone=wanted.everyone,
        department_ids=to_uuids(wanted.department_ids, "population/department_ids"),
        group_ids=to_uuids(wanted.group_ids, "population/group_ids"),
        employee_ids=to_uuids(wanted.employee_ids, "population/employee_ids"),
        exclude_employee_ids=to_uuids(wanted.exclude_employee_ids, "population/exclude_employee_ids"),
    )
    return FreezePopulation(
        freeze_id=to_uuid(request.freeze_id, "freeze_id"),
        population=population,
        as_of=to_instant(request.as_of, "as_of"),
        group_ids=to_uuids(request.group_ids, "group_ids"),
        transient=request.transient,
    )


def freeze_population_reply(members: int) -> people_pb2.FreezePopulationResponse:
    """How many."""
    return people_pb2.FreezePopulationResponse(count=members)


def page_frozen_members(request: people_pb2.PageFrozenMembersRequest) -> PageFrozenMembers:
    """Which page of which freeze."""
    return PageFrozenMembers(
        freeze_id=to_uuid(request.freeze_id, "freeze_id"),
        after=to_optional_uuid(request.after_employee_id, "after_employee_id"),
        limit=to_page_size(request.page_size, MAX_PAGE, MAX_PAGE),
    )


def page_frozen_members_reply(page: FrozenPage) -> people_pb2.PageFrozenMembersResponse:
    """The page as columns."""
    return people_pb2.PageFrozenMembersResponse(
        employee_ids=page.employee_ids,
        codes=page.codes,
        posts=page.posts,
        levels=page.levels,
        department_paths=page.department_paths,
        department_names=page.department_names,
        manager_chains=page.manager_chains,
        group_ids=page.group_ids,
        problems=[_PROBLEMS[MemberProblem(problem)] for problem in page.problems],
        hired_on=page.hired_on,
        department_heads=page.department_heads,
        last=page.last,
    )


def _group(group: Group) -> people_pb2.Group:
    return people_pb2.Group(
        id=str(group.id),
        name=group.name,
        rule_json=json.dumps(group.rule, ensure_ascii=False),
        create_time=from_instant(group.create_time),
    )


def _grant(grant: RoleGrant) -> people_pb2.Grant:
    return people_pb2.Grant(
        id=str(grant.id),
        employee_id=str(grant.employee_id),
        role=grant.role,
        scope_kind=grant.scope_kind,
        scope_id=grant.scope_id,
    )


def _day(index: int, text: str) -> date:
    return to_date(text, f"days[{index}]/date")
