"""Dynamic groups: storing a rule, and seeing whom it matches."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from services.people.domain.errors import GroupTaken, Invalid, RuleInvalid
from services.people.domain.group_rules import Rule, Vocabulary, parse_rule, rule_tree, written_references
from services.people.domain.model import Employee, Group, Page
from services.people.policy import require_tenant_wide
from services.people.usecases.days import today
from services.people.usecases.employees import NeedsReferences, reach_of, resolve_employees
from services.people.usecases.needs import Groups, Transaction
from services.people.usecases.tenants import Paging
from services.runtime.clock import new_id

MAX_NAME = 100
MAX_RULE = 200_000
SAMPLE = 50


class NeedsGroups(Transaction, Protocol):
    """A transaction that reads groups."""

    @property
    def groups(self) -> Groups: ...


@dataclass(frozen=True, slots=True)
class CreateGroup:
    """A named rule as a user writes it."""

    name: str
    rule_json: str


@dataclass(frozen=True, slots=True)
class PreviewGroup:
    """A rule to evaluate on a day (today when none is named)."""

    rule_json: str
    on: date | None


@dataclass(frozen=True, slots=True)
class Preview:
    """How many a rule matches, and the first of them by code."""

    count: int
    sample: tuple[Employee, ...]


async def create_group(work: NeedsReferences, command: CreateGroup) -> Group:
    """Check a rule and store it with ids in place of codes and paths."""
    require_tenant_wide(work.principal, "tenant.change")
    name = command.name.strip()
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise Invalid(f"between 1 and {MAX_NAME} characters", field="name")
    rule = await _parse(work, command.rule_json)
    group = await work.groups.add(Group(new_id(), name, rule_tree(rule)))
    if group is None:
        raise GroupTaken("a group of this name exists", field="name")
    await work.audit("group.create", "group", group.id, detail={})
    return group


async def list_groups(work: NeedsGroups, asked: Paging) -> Page[Group]:
    """Groups by id."""
    return Page.cut(await work.groups.page(asked.after, asked.limit + 1), asked.limit)


async def preview_group(work: NeedsReferences, asked: PreviewGroup) -> Preview:
    """Whom a rule matches among those that the caller administers."""
    rule = await _parse(work, asked.rule_json)
    day = asked.on or await today(work)
    within = await reach_of(work, "employee.change")
    sample = await work.employees.matching(rule, within, day, within, SAMPLE)
    return Preview(await work.employees.count(rule, within, day), tuple(sample))


async def _parse(work: NeedsReferences, rule_json: str) -> Rule:
    tree = _load(rule_json)
    departments, employees = written_references(tree)
    known_departments = await work.departments.resolve(departments)
    known_employees = await resolve_employees(work, sorted(employees))
    return parse_rule(tree, Vocabulary(known_departments.get, known_employees.get))


def _load(rule_json: str) -> Mapping[str, object]:
    if len(rule_json) > MAX_RULE:
        raise RuleInvalid("the rule is too long", field="rule_json")
    try:
        tree = json.loads(rule_json)
    except (ValueError, RecursionError):
        raise RuleInvalid("the rule is not JSON", field="rule_json") from None
    if not isinstance(tree, dict):
        raise RuleInvalid("a rule is an object", field="rule_json")
    return tree
