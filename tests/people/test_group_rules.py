"""Group rules: the grammar, and one meaning in Python and in SQL."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.people.domain.errors import RuleInvalid
from services.people.domain.group_rules import (
    ATTRIBUTES,
    STORED,
    Facts,
    Rule,
    Vocabulary,
    matches,
    months_between,
    parse_rule,
    rule_tree,
    written_references,
)
from services.people.domain.model import BEGINNING, Assignment, Employee
from services.people.store import PeopleWork
from services.people.store.group_sql import RuleSql
from services.people.store.staff_sql import with_staff
from services.runtime.database import Database, Origin
from services.runtime.identity import Principal

TENANT = UUID(int=7)
DEPARTMENTS = [uuid5(TENANT, f"department {n}") for n in range(3)]
ANN, BEN = uuid5(TENANT, "ann"), uuid5(TENANT, "ben")


def leaf(attribute: str, operator: str, *value: Any) -> dict[str, Any]:
    tree = {"attribute": attribute, "operator": operator}
    return tree | {"value": value[0]} if value else tree


@pytest.mark.parametrize(
    ("tree", "pointer", "code"),
    [
        ([], "/", "RULE_NOT_AN_OBJECT"),
        ({}, "/", "RULE_UNKNOWN_KEY"),
        ({"some": []}, "/", "RULE_UNKNOWN_KEY"),
        ({"all": [], "any": []}, "/", "RULE_UNKNOWN_KEY"),
        ({"all": {}}, "/all", "RULE_NOT_A_LIST"),
        ({"all": [{"not": 1}]}, "/all/0/not", "RULE_NOT_AN_OBJECT"),
        (leaf("salary", "eq", "1"), "/attribute", "RULE_UNKNOWN_ATTRIBUTE"),
        (leaf("attributes.", "eq", "1"), "/attribute", "RULE_UNKNOWN_ATTRIBUTE"),
        (leaf("id", "eq", str(ANN)), "/attribute", "RULE_UNKNOWN_ATTRIBUTE"),
        (leaf("post", "ge", "a"), "/operator", "RULE_UNKNOWN_OPERATOR"),
        (leaf("post", "missing", "a"), "/value", "RULE_VALUE_UNWANTED"),
        (leaf("post", "in", "a"), "/value", "RULE_NOT_A_LIST"),
        (leaf("post", "in", []), "/value", "RULE_NOT_A_LIST"),
        (leaf("post", "eq"), "/value", "RULE_BAD_VALUE"),
        (leaf("post", "eq", 7), "/value", "RULE_BAD_VALUE"),
        (leaf("hired_on", "lt", "2020-13-01"), "/value", "RULE_BAD_VALUE"),
        (leaf("tenure_months", "ge", True), "/value", "RULE_BAD_VALUE"),
        (leaf("tenure_months", "ge", -1), "/value", "RULE_BAD_VALUE"),
        (leaf("department", "within", "nowhere"), "/value", "RULE_BAD_VALUE"),
        ({"all": [{"all": []}] * 300}, "/all/199", "RULE_TOO_LARGE"),
    ],
)
def test_faults_are_named_with_their_place(tree: object, pointer: str, code: str) -> None:
    with pytest.raises(RuleInvalid) as refused:
        parse_rule(tree, STORED)
    assert (pointer, code) in {(at, reason) for at, reason, _ in refused.value.violations}


def test_deep_rules_are_refused() -> None:
    tree: dict[str, Any] = leaf("post", "eq", "a")
    for _ in range(2000):
        tree = {"not": tree}
    with pytest.raises(RuleInvalid):
        parse_rule(tree, STORED)


def test_names_become_ids() -> None:
    words = Vocabulary({"Head/Sales": DEPARTMENTS[1]}.get, {"A1": ANN}.get)
    tree = {"all": [leaf("department", "within", "Head/Sales"), {"not": leaf("manager", "in", ["A1"])}]}
    assert written_references(tree) == ({"Head/Sales"}, {"A1"})
    rule = parse_rule(tree, words)
    assert rule_tree(rule) == {
        "all": [leaf("department", "within", str(DEPARTMENTS[1])), {"not": leaf("manager", "in", [str(ANN)])}]
    }


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        (date(2024, 1, 31), date(2024, 2, 29), 0),
        (date(2024, 1, 31), date(2024, 3, 1), 1),
        (date(2024, 2, 29), date(2025, 2, 28), 11),
        (date(2024, 5, 1), date(2024, 4, 30), -1),
    ],
)
def test_months_are_whole(start: date, end: date, months: int) -> None:
    assert months_between(start, end) == months


WORDS = st.sampled_from(["engineer", "Engineer", "seller", "P6", "en", "zh-CN", "Bern", "E0", "E3"])
DATES = st.dates(min_value=date(2019, 1, 1), max_value=date(2027, 1, 1))
DEPARTMENT_IDS = st.sampled_from([str(one) for one in DEPARTMENTS])
PERSON_IDS = st.sampled_from([str(ANN), str(BEN)])


def _values(attribute: str) -> st.SearchStrategy[Any]:
    if attribute == "department":
        return DEPARTMENT_IDS
    if attribute == "manager":
        return PERSON_IDS
    if attribute == "hired_on":
        return DATES.map(date.isoformat)
    if attribute == "tenure_months":
        return st.integers(0, 96)
    return st.integers(0, 3) if attribute == "direct_reports" else WORDS


@st.composite
def leaves(draw: st.DrawFn) -> dict[str, Any]:
    attribute = draw(st.sampled_from([*ATTRIBUTES, "attributes.city", 'attributes.it\'s "odd"']))
    operator = draw(st.sampled_from(sorted(ATTRIBUTES.get(attribute, ATTRIBUTES["post"]))))
    if operator in ("missing", "present"):
        return leaf(attribute, operator)
    value = draw(_values(attribute))
    return leaf(attribute, operator, [value, draw(_values(attribute))] if operator in ("in", "not_in") else value)


def _combined(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(children, max_size=3)
    return st.one_of(
        lists.map(lambda parts: {"all": parts}),
        lists.map(lambda parts: {"any": parts}),
        children.map(lambda part: {"not": part}),
    )


RULES = st.recursive(leaves(), _combined, max_leaves=6).map(lambda tree: parse_rule(tree, STORED))


@given(RULES)
def test_a_stored_rule_means_what_was_written(rule: Rule) -> None:
    assert parse_rule(rule_tree(rule), STORED) == rule


STAFF: list[tuple[str, UUID | None, UUID | None, str, str, str, date | None, dict[str, str]]] = [
    ("E0", None, None, "", "", "", None, {}),
    ("E1", DEPARTMENTS[0], ANN, "engineer", "P6", "en", date(2020, 2, 29), {"city": "Bern"}),
    ("E2", DEPARTMENTS[1], ANN, "Engineer", "P5", "zh-CN", date(2026, 11, 24), {"city": "", 'it\'s "odd"': "P6"}),
    ("E3", DEPARTMENTS[2], BEN, "seller", "P6", "", date(2024, 1, 31), {"city": "Basel"}),
    ("E4", DEPARTMENTS[2], None, "seller", "", "en", date(2022, 7, 1), {'it\'s "odd"': "engineer"}),
]
PATHS = {DEPARTMENTS[0]: DEPARTMENTS[:1], DEPARTMENTS[1]: DEPARTMENTS[:2], DEPARTMENTS[2]: DEPARTMENTS[2:]}


@pytest.fixture(scope="module")
async def staffed(service_database: Callable[[str], Database]) -> Database:
    """A company of a few people who differ in everything that a rule may ask."""
    database = service_database("people")
    async with database.transaction(TENANT) as connection:
        work = PeopleWork(connection, Origin(Principal(TENANT, "service", "worker"), TENANT))
        await connection.execute(
            text(
                "INSERT INTO tenant (tenant_id, name, zone, country, language, edition)"
                " VALUES (:t, 'x', 'UTC', 'CN', 'en', 'basic')"
            ),
            {"t": TENANT},
        )
        for department, path in PATHS.items():
            await connection.execute(
                text(
                    "INSERT INTO department (tenant_id, id, name, path, path_names)"
                    " VALUES (:t, :id, 'd', :path, :names)"
                ),
                {"t": TENANT, "id": department, "path": list(path), "names": str(department)},
            )
        for code, person in (("ANN", ANN), ("BEN", BEN)):
            await work.employees.add(_employee(code, person, STAFF[0]))
        for entry in STAFF:
            await work.employees.add(_employee(entry[0], uuid5(TENANT, entry[0]), entry))
            await connection.execute(
                text("UPDATE employee SET attributes = CAST(:a AS jsonb) WHERE tenant_id = :t AND code = :c"),
                {"a": json.dumps(entry[7]), "t": TENANT, "c": entry[0]},
            )
    return database


def _employee(code: str, person: UUID, entry: tuple[Any, ...]) -> Employee:
    _, department, manager, post, level, language, hired_on, attributes = entry
    place = Assignment(BEGINNING, None, department, manager, (), post, level)
    return Employee(person, code, code, "", "", language, hired_on, None, attributes, 1, place)


def _facts(entry: tuple[Any, ...]) -> Facts:
    code, department, manager, post, level, language, hired_on, attributes = entry
    path = tuple(PATHS[department]) if department else ()
    return Facts(
        code, uuid5(TENANT, code), post, language or "en", level, department, path, manager, hired_on, 0, attributes
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300)
@given(rule=RULES, day=DATES)
async def test_sql_and_python_agree(staffed: Database, rule: Rule, day: date) -> None:
    sql = RuleSql()
    condition = sql.predicate(rule)
    query = f"{with_staff(reports=sql.counts_reports)} SELECT s.code, {condition} AS hit FROM staff s"
    async with staffed.transaction(TENANT) as connection:
        rows = await connection.execute(text(query), {"tenant_id": TENANT, "day": day, **sql.parameters})
        found = {row.code: row.hit for row in rows}
    expected = {entry[0]: matches(rule, _facts(entry), day) for entry in STAFF}
    assert {code: found[code] for code in expected} == expected
    present = [entry for entry in STAFF if entry[6] is None or entry[6] <= day]
    for code, person in (("ANN", ANN), ("BEN", BEN)):
        reports = sum(entry[2] == person for entry in present)
        facts = Facts(code, person, language="en", direct_reports=reports)
        assert found[code] == matches(rule, facts, day)
