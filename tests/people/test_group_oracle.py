"""Group rules over a generated company, against a reader of the rule's text that knows nothing of the service's own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos.people.v1 import people_pb2
from tests.people.conftest import Callers, Company, Stub

SIZE = 60
POSTS, LEVELS, CITIES = ("engineer", "seller", "clerk", ""), ("P5", "P6", "M1", ""), ("Bern", "Basel", "")
UNITS = ("Head", "Head/Sales", "Head/Sales/North", "Head/Research", "")
HIRED = ("2019-02-28", "2020-02-29", "2024-01-31", "2026-11-24", "2027-03-01", "")
LEFT = ("2026-10-31", "2026-11-24", "2027-01-01", "", "", "", "", "")
DAYS = ("2024-03-01", "2026-10-31", "2026-11-01", "2026-11-24", "2027-02-28", "2028-01-01")


@dataclass(frozen=True)
class Person:
    """A line of the generated staff file."""

    code: str
    post: str
    level: str
    department: str
    manager: str
    hired_on: str
    left_on: str
    city: str

    def employed_on(self, day: str) -> bool:
        return (not self.hired_on or self.hired_on <= day) and (not self.left_on or day <= self.left_on)


def generated() -> list[Person]:
    """The same company each time; everybody's manager stands further up in the list."""
    random = Random(7)
    people: list[Person] = []
    for number in range(SIZE):
        hired, left = random.choice(HIRED), random.choice(LEFT)
        manager = f"E{random.randrange(number)}" if number and random.random() < 0.9 else ""
        place = (random.choice(POSTS), random.choice(LEVELS), random.choice(UNITS), manager)
        left = left if not hired or not left or hired <= left else ""
        people.append(Person(f"E{number}", *place, hired, left, random.choice(CITIES)))
    return people


PEOPLE = generated()


def months(start: str, end: str) -> int:
    """Whole months the slow way: count on from the first day until the next would be too many."""
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    whole = (last.year - first.year) * 12 + last.month - first.month
    return whole if last.day >= first.day else whole - 1


def fact(person: Person, attribute: str, day: str) -> Any:
    """What is known of somebody; None when nothing is."""
    if attribute == "tenure_months":
        return months(person.hired_on, day) if person.hired_on else None
    if attribute == "direct_reports":
        return sum(other.manager == person.code and other.employed_on(day) for other in PEOPLE)
    return getattr(person, attribute.removeprefix("attributes.")) or None


def compare(operator: str, known: Any, wanted: Any) -> bool:
    """One comparison of a fact that is known."""
    match operator:
        case "eq" | "ne":
            return bool((known == wanted) is (operator == "eq"))
        case "in" | "not_in":
            return bool((known in wanted) is (operator == "in"))
        case "within" | "not_within":
            inside = known == wanted or str(known).startswith(f"{wanted}/")
            return inside is (operator == "within")
        case "lt" | "le":
            return bool(known < wanted or (operator == "le" and known == wanted))
    return bool(known > wanted or (operator == "ge" and known == wanted))


def holds(tree: Mapping[str, Any], person: Person, day: str) -> bool:
    """Whether the rule's text holds for somebody on a day."""
    if "all" in tree:
        return all([holds(part, person, day) for part in tree["all"]])
    if "any" in tree:
        return any([holds(part, person, day) for part in tree["any"]])
    if "not" in tree:
        return not holds(tree["not"], person, day)
    operator, known = tree["operator"], fact(person, tree["attribute"], day)
    if operator in ("missing", "present"):
        return (known is None) is (operator == "missing")
    if known is None:
        return operator in ("ne", "not_in", "not_within")
    return compare(operator, known, tree["value"])


TEXTS: Mapping[str, tuple[str, ...]] = {
    "code": ("E0", "E7", "E59", "Z"),
    "post": POSTS[:3],
    "level": LEVELS[:3],
    "attributes.city": CITIES[:2],
    "manager": ("E0", "E1", "E5"),
    "department": UNITS[:4],
}


@st.composite
def leaves(draw: st.DrawFn) -> dict[str, Any]:
    attribute = draw(st.sampled_from([*TEXTS, "hired_on", "tenure_months", "direct_reports"]))
    if attribute in TEXTS:
        operators = ["eq", "ne", "in", "not_in", "missing", "present"]
        operators += ["within", "not_within"] if attribute == "department" else []
        values: st.SearchStrategy[Any] = st.sampled_from(TEXTS[attribute])
    else:
        operators = ["eq", "ne", "lt", "le", "gt", "ge"]
        values = st.sampled_from(HIRED[:5]) if attribute == "hired_on" else st.integers(0, 96)
        values = st.integers(0, 6) if attribute == "direct_reports" else values
    operator = draw(st.sampled_from(operators))
    tree = {"attribute": attribute, "operator": operator}
    if operator in ("in", "not_in"):
        return tree | {"value": draw(st.lists(values, min_size=1, max_size=3))}
    return tree if operator in ("missing", "present") else tree | {"value": draw(values)}


def combined(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(children, max_size=3)
    return (
        lists.map(lambda parts: {"all": parts})
        | lists.map(lambda parts: {"any": parts})
        | children.map(lambda part: {"not": part})
    )


@pytest.fixture(scope="module")
async def generated_company(people: Stub, callers: Callers) -> Company:
    """The generated company, loaded from a file."""
    created = await people.CreateTenant(
        people_pb2.CreateTenantRequest(request_id=str(uuid4()), name="G", admin_email="g@example.com", language="en"),
        **callers.installation(),
    )
    company = Company(people, callers, UUID(created.tenant.id), UUID(created.admin_employee_id))
    header = "code,name,post,level,department,manager_code,hired_on,left_on,city"
    lines = [
        ",".join((p.code, p.code, p.post, p.level, p.department, p.manager, p.hired_on, p.left_on, p.city))
        for p in PEOPLE
    ]
    assert (await company.load("\n".join([header, *lines]))).created == SIZE
    return company


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=150)
@given(tree=st.recursive(leaves(), combined, max_leaves=6), day=st.sampled_from(DAYS))
async def test_a_group_holds_exactly_whom_its_text_means(
    generated_company: Company, tree: dict[str, Any], day: str
) -> None:
    request = people_pb2.PreviewGroupRequest(rule_json=json.dumps(tree), on=day)
    preview = await generated_company.people.PreviewGroup(request, **generated_company.hr)
    expected = {person.code for person in PEOPLE if person.employed_on(day) and holds(tree, person, day)}
    assert preview.count == len(expected)
    assert {employee.code for employee in preview.sample} <= expected
