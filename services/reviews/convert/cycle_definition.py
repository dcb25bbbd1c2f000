"""CreateCycle and ValidateCycle: proto ↔ domain."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from protos.reviews.v1 import cycles_pb2
from services.reviews.convert.cycle_messages import CYCLE_STATES, cycle_message
from services.reviews.convert.template_schema import override_findings
from services.reviews.convert.template_source import storable_text
from services.reviews.convert.templates import finding_messages, read_id
from services.reviews.domain.cycle_definition import WrittenPopulation, WrittenRule
from services.reviews.domain.errors import CycleDefinitionInvalid
from services.reviews.domain.findings import Finding, error
from services.reviews.domain.form_body import storable
from services.reviews.domain.messages import CHINESE, ENGLISH, render
from services.reviews.domain.model import CycleKind, Period
from services.reviews.domain.nearest import nearest
from services.reviews.usecases.cycle_definition import CreateCycle, DefinedCycle
from services.reviews.usecases.preflight import ValidateCycle, Validated

LARGEST_NAME = 200
LARGEST_OVERRIDES = 64 * 1024
MOST_RULES = 200
MOST_NAMES = 20_000


def create_cycle(request: cycles_pb2.CreateCycleRequest) -> CreateCycle:
    """The command, or CycleDefinitionInvalid with everything that cannot be read."""
    faults = list(_request_faults(request))
    overrides, found = _overrides(request.overrides_json)
    faults += found
    if faults:
        violations = [(finding.pointer, finding.code, _words(finding)) for finding in faults]
        raise CycleDefinitionInvalid("the cycle cannot be read: " + violations[0][2], violations=violations)
    return CreateCycle(
        name=request.name.strip(),
        period=Period(CycleKind(request.kind), _date(request.period_start), _date(request.period_end)),
        template=request.template,
        rules=written_rules(request.forms),
        population=written_population(request.population),
        start_at=_instant(request),
        overrides=overrides,
        owner=request.owner_id,
        appeal_owner=request.appeal_owner,
    )


def written_rules(rules: Iterable[cycles_pb2.FormRule]) -> tuple[WrittenRule, ...]:
    return tuple(
        WrittenRule(rule.template, rule.group, rule.post, rule.department, tuple(rule.employees)) for rule in rules
    )


def written_population(population: cycles_pb2.CyclePopulation) -> WrittenPopulation:
    return WrittenPopulation(
        everyone=population.everyone,
        departments=tuple(population.departments),
        groups=tuple(population.groups),
        employees=tuple(population.employees),
        exclude=tuple(population.exclude),
    )


def create_cycle_reply(defined: DefinedCycle) -> cycles_pb2.CreateCycleResponse:
    return cycles_pb2.CreateCycleResponse(cycle=cycle_message(defined.cycle, defined.stages))


def validate_cycle(request: cycles_pb2.ValidateCycleRequest) -> ValidateCycle:
    language = CHINESE if request.language.lower().startswith("zh") else ENGLISH
    return ValidateCycle(read_id(request.cycle_id, "cycle_id"), language)


def validate_cycle_reply(validated: Validated) -> cycles_pb2.ValidateCycleResponse:
    return cycles_pb2.ValidateCycleResponse(
        findings=finding_messages(validated.report.findings, validated.language),
        state=CYCLE_STATES[validated.cycle.state],
        population=validated.report.population,
    )


def _request_faults(request: cycles_pb2.CreateCycleRequest) -> Iterable[Finding]:
    if not 1 <= len(request.name.strip()) <= LARGEST_NAME:
        yield error("NAME_MISSING", "/name")
    kinds = [kind.value for kind in CycleKind]
    if request.kind not in kinds:
        hint = nearest(request.kind, kinds)
        yield error(
            "UNKNOWN_VALUE",
            "/kind",
            field="kind",
            found=request.kind or "empty",
            known=", ".join(kinds),
            hint=f"did you mean {hint}? " if hint else "",
            hint_zh=f"是否指 {hint}？" if hint else "",
        )
    start, end = _date_or_none(request.period_start), _date_or_none(request.period_end)
    for field, day in (("start", start), ("end", end)):
        if day is None:
            found = getattr(request, f"period_{field}") or "empty"
            wanted = {"wanted": "a date such as 2026-09-30", "wanted_zh": "日期，如 2026-09-30"}
            yield error("WRONG_FORMAT", f"/period/{field}", field=f"period.{field}", found=found, **wanted)
    if start and end and end < start:
        yield error("PERIOD_INVALID", "/period", start=start, end=end)
    if not request.template:
        yield error("MISSING_KEY", "/template", key="template", place="the cycle")
    yield from _size_faults(request)


def _size_faults(request: cycles_pb2.CreateCycleRequest) -> Iterable[Finding]:
    if len(request.forms) > MOST_RULES:
        yield error("TOO_MANY", "/forms", field="forms", found=len(request.forms), limit=MOST_RULES)
    for index, rule in enumerate(request.forms):
        if not rule.template:
            yield error("MISSING_KEY", f"/forms/{index}", key="template", place=f"forms[{index + 1}]")
    whom = request.population
    for field in ("departments", "groups", "employees", "exclude"):
        count = len(getattr(whom, field))
        if count > MOST_NAMES:
            yield error("TOO_MANY", f"/population/{field}", field=field, found=count, limit=MOST_NAMES)


def _overrides(written: str) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """The overrides, or what is wrong with them."""
    if not written:
        return {}, ()
    if len(written) > LARGEST_OVERRIDES:
        return {}, (error("TOO_LARGE", "/overrides", limit=LARGEST_OVERRIDES // 1024),)
    try:
        document = json.loads(written, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError) as problem:
        return {}, (error("OVERRIDE_INVALID", "/overrides", stage="the cycle", problem=str(problem)),)
    if not storable_text(json.dumps(document, default=str, ensure_ascii=False)):
        return {}, (error("CHARACTER_NOT_ALLOWED", "/overrides"),)
    found = tuple(finding.below("/overrides") for finding in override_findings(document))
    return ({}, found) if found else (storable(document), ())


def _instant(request: cycles_pb2.CreateCycleRequest) -> datetime | None:
    return request.start_time.ToDatetime(tzinfo=UTC) if request.HasField("start_time") else None


def _date(written: str) -> date:
    return date.fromisoformat(written)


def _date_or_none(written: str) -> date | None:
    try:
        return date.fromisoformat(written) if len(written) == len("2026-09-30") else None
    except ValueError:
        return None


def _words(finding: Finding) -> str:
    words = render(finding)
    return f"{words.message}; {words.remedy}"
