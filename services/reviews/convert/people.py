"""What people answer, as nouns of reviews."""

from datetime import date
from uuid import UUID

from protos.people.v1 import people_pb2
from services.reviews.domain.cycle_definition import CalendarCopy, References
from services.reviews.domain.form_rules import ID_BYTES, Members
from services.reviews.domain.model import CycleDay, Population

EDITIONS = {people_pb2.EDITION_BASIC: "basic", people_pb2.EDITION_PROFESSIONAL: "professional"}


def references(reply: people_pb2.ResolveReferencesResponse) -> References:
    def ids(written: dict[str, str]) -> dict[str, UUID]:
        return {name: UUID(identifier) for name, identifier in written.items()}

    return References(ids(dict(reply.employees)), ids(dict(reply.departments)), ids(dict(reply.groups)))


def calendar(reply: people_pb2.ListCalendarDaysResponse) -> CalendarCopy:
    days = (CycleDay(date.fromisoformat(day.date), day.working) for day in reply.days)
    return CalendarCopy(reply.time_zone, tuple(days))


def population(whom: Population) -> people_pb2.Population:
    return people_pb2.Population(
        everyone=whom.everyone,
        department_ids=[str(identifier) for identifier in whom.department_ids],
        group_ids=[str(identifier) for identifier in whom.group_ids],
        employee_ids=[str(identifier) for identifier in whom.employee_ids],
        exclude_employee_ids=[str(identifier) for identifier in whom.exclude_employee_ids],
    )


def members(page: people_pb2.PageFrozenMembersResponse) -> Members:
    """A page's columns, as they are: nothing is unpacked for people who are only counted."""
    packed = page.employee_ids
    return Members(
        ids=[packed[start : start + ID_BYTES] for start in range(0, len(packed), ID_BYTES)],
        codes=list(page.codes),
        posts=list(page.posts),
        department_paths=list(page.department_paths),
        department_names=list(page.department_names),
        department_heads=list(page.department_heads),
        group_ids=list(page.group_ids),
        problems=list(page.problems),
    )


def last_id(page: people_pb2.PageFrozenMembersResponse) -> str:
    """After whom the next page begins."""
    return str(UUID(bytes=page.employee_ids[-ID_BYTES:]))


def employed(reply: people_pb2.BatchGetEmployeesResponse, on: date) -> dict[UUID, bool]:
    """Who of those who exist works here on the day."""
    return {UUID(each.id): not each.left_on or date.fromisoformat(each.left_on) >= on for each in reply.employees}


def edition(reply: people_pb2.GetTenantResponse) -> str:
    return EDITIONS.get(reply.tenant.edition, "professional")
