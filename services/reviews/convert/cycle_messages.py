"""A cycle and its stages as messages."""

from collections.abc import Iterable

from protos.reviews.v1 import cycles_pb2
from services.reviews.convert.templates import timestamp
from services.reviews.domain.model import Cycle, CycleState, FormRule, Population, Stage, StageKind, StageState

CYCLE_STATES = {state: cycles_pb2.CycleState.Value(f"CYCLE_STATE_{state.name}") for state in CycleState}
STAGE_STATES = {state: cycles_pb2.StageState.Value(f"STAGE_STATE_{state.name}") for state in StageState}
STAGE_KINDS = {
    kind: cycles_pb2.StageKind.Value(f"STAGE_KIND_{kind.name}")
    for kind in StageKind
    if f"STAGE_KIND_{kind.name}" in cycles_pb2.StageKind.DESCRIPTOR.values_by_name
}


def cycle_message(
    cycle: Cycle, stages: Iterable[Stage] = (), *, participants: int = 0, excluded: int = 0
) -> cycles_pb2.Cycle:
    """The cycle; ids stand where users wrote names."""
    return cycles_pb2.Cycle(
        id=str(cycle.id),
        name=cycle.name,
        kind=cycle.period.kind.value,
        period_start=cycle.period.start.isoformat(),
        period_end=cycle.period.end.isoformat(),
        state=CYCLE_STATES[cycle.state],
        template_id=str(cycle.template_id),
        template_version=cycle.template_version,
        forms=[form_rule_message(rule) for rule in cycle.forms],
        population=population_message(cycle.population),
        start_time=timestamp(cycle.start_at),
        owner_id=str(cycle.owner_id),
        time_zone=cycle.zone,
        stages=[stage_message(stage) for stage in stages],
        participants=participants,
        excluded=excluded,
        release_time=timestamp(cycle.released_at),
        etag=str(cycle.version),
        create_time=timestamp(cycle.create_time),
    )


def stage_message(stage: Stage) -> cycles_pb2.Stage:
    return cycles_pb2.Stage(
        id=str(stage.id),
        key=stage.key,
        kind=STAGE_KINDS.get(stage.kind, cycles_pb2.STAGE_KIND_UNSPECIFIED),
        state=STAGE_STATES[stage.state],
        epoch=stage.epoch,
        after=stage.after,
        open_at=timestamp(stage.open_at),
        due_at=timestamp(stage.due_at),
        blocked_reason=stage.blocked_reason,
        name=stage.definition.name,
    )


def form_rule_message(rule: FormRule) -> cycles_pb2.FormRule:
    return cycles_pb2.FormRule(
        group=str(rule.group_id or ""),
        post=rule.post,
        department=str(rule.department_id or ""),
        employees=[str(identifier) for identifier in rule.employee_ids],
        template=str(rule.template_id),
    )


def population_message(population: Population) -> cycles_pb2.CyclePopulation:
    return cycles_pb2.CyclePopulation(
        everyone=population.everyone,
        departments=[str(identifier) for identifier in population.department_ids],
        groups=[str(identifier) for identifier in population.group_ids],
        employees=[str(identifier) for identifier in population.employee_ids],
        exclude=[str(identifier) for identifier in population.exclude_employee_ids],
    )
