"""Goals and check-ins between the wire and the domain."""

from collections.abc import Sequence
from uuid import UUID

from protos.goals.v1 import goals_pb2 as pb
from services.goals.convert.fields import (
    from_decimal,
    from_instant,
    to_date,
    to_decimal,
    to_instant,
    to_optional_decimal,
    to_optional_uuid,
    to_page_size,
    to_text,
    to_uuid,
)
from services.goals.domain import rules
from services.goals.domain.errors import Invalid
from services.goals.domain.model import (
    NOBODY,
    Attainment,
    CheckIn,
    Direction,
    Goal,
    GoalState,
    Measure,
    Mode,
    Owner,
)
from services.goals.usecases.change_goal import ChangeGoal, CreateGoal
from services.goals.usecases.check_in_goal import CheckInGoal
from services.goals.usecases.freeze_attainments import FreezeAttainments, ListAttainments
from services.goals.usecases.import_goals import ImportGoals, ImportReport
from services.goals.usecases.ports import GoalFilter
from services.goals.usecases.read_goals import ListGoals, OfGoal
from services.runtime.clock import new_id

MODES = {pb.MODE_KPI: Mode.KPI, pb.MODE_OKR: Mode.OKR, pb.MODE_MBO: Mode.MBO}
STATES = {value: GoalState(name.removeprefix("GOAL_STATE_").lower()) for name, value in pb.GoalState.items() if value}
DIRECTIONS = {0: Direction.HIGHER, pb.DIRECTION_HIGHER: Direction.HIGHER, pb.DIRECTION_LOWER: Direction.LOWER}
MODES_BACK = {mode: number for number, mode in MODES.items()}
STATES_BACK = {state: number for number, state in STATES.items()}
DIRECTIONS_BACK = {Direction.HIGHER: pb.DIRECTION_HIGHER, Direction.LOWER: pb.DIRECTION_LOWER}
MAX_PEOPLE = 5000
NAME, TEXT, REASON = 200, 10_000, 2000


def create_goal(request: pb.CreateGoalRequest) -> CreateGoal:
    """The goal to create; without an owner it is the caller's, who is filled in later."""
    goal = request.goal
    mode = MODES.get(goal.mode)
    if mode is None:
        raise Invalid("kpi, okr or mbo", field="goal.mode")
    return CreateGoal(
        Goal(
            id=new_id(),
            owner=Owner(to_optional_uuid(goal.owner_id, "goal.owner_id") or NOBODY),
            name=to_text(goal.name, "goal.name", NAME, needed=True),
            description=to_text(goal.description, "goal.description", TEXT),
            mode=mode,
            state=GoalState.DRAFT,
            weight=to_decimal(goal.weight, "goal.weight"),
            period_start=to_date(goal.period_start, "goal.period_start"),
            period_end=to_date(goal.period_end, "goal.period_end"),
            measures=tuple(_measure(each, f"goal.measures[{i}]") for i, each in enumerate(goal.measures)),
        )
    )


def create_goal_reply(goal: Goal) -> pb.CreateGoalResponse:
    return pb.CreateGoalResponse(goal=to_proto(goal))


def import_goals(request: pb.ImportGoalsRequest) -> ImportGoals:
    """The file to load."""
    workbook = request.format == pb.FILE_FORMAT_XLSX
    return ImportGoals(request.content, workbook, request.dry_run, request.confirm)


def import_goals_reply(report: ImportReport) -> pb.ImportGoalsResponse:
    errors = [pb.RowError(line=e.line, column=e.column, code=e.code, message=e.message) for e in report.errors]
    return pb.ImportGoalsResponse(total=report.total, created=report.created, rejected=report.rejected, errors=errors)


def get_goal(request: pb.GetGoalRequest) -> UUID:
    """Which goal."""
    return to_uuid(request.goal_id, "goal_id")


def get_goal_reply(goal: Goal) -> pb.GetGoalResponse:
    return pb.GetGoalResponse(goal=to_proto(goal))


def list_goals(request: pb.ListGoalsRequest) -> ListGoals:
    """Which goals."""
    if request.state and request.state not in STATES:
        raise Invalid("a state of goals", field="state")
    wanted = GoalFilter(
        owner_id=to_optional_uuid(request.owner_id, "owner_id"),
        state=STATES.get(request.state),
        period_start=to_date(request.period_start, "period_start") if request.period_start else None,
        period_end=to_date(request.period_end, "period_end") if request.period_end else None,
    )
    after = to_optional_uuid(request.page_token, "page_token")
    return ListGoals(wanted, request.all, after, to_page_size(request.page_size))


def list_goals_reply(goals: Sequence[Goal], asked: ListGoals) -> pb.ListGoalsResponse:
    page = goals[: asked.limit]
    token = str(page[-1].id) if len(goals) > asked.limit else ""
    return pb.ListGoalsResponse(goals=[to_proto(each) for each in page], next_page_token=token)


def list_versions(request: pb.ListGoalVersionsRequest) -> OfGoal:
    """Which versions."""
    if request.page_token and not (request.page_token.isdecimal() and len(request.page_token) < 18):
        raise Invalid("use next_page_token of the page before", field="page_token")
    return OfGoal(to_uuid(request.goal_id, "goal_id"), request.page_token, to_page_size(request.page_size))


def list_versions_reply(versions: Sequence[Goal], asked: OfGoal) -> pb.ListGoalVersionsResponse:
    page = versions[: asked.limit]
    token = str(page[-1].version) if len(versions) > asked.limit else ""
    return pb.ListGoalVersionsResponse(versions=[to_proto(each) for each in page], next_page_token=token)


def list_check_ins(request: pb.ListCheckInsRequest) -> OfGoal:
    """Which check-ins."""
    after = to_optional_uuid(request.page_token, "page_token")
    return OfGoal(to_uuid(request.goal_id, "goal_id"), str(after or ""), to_page_size(request.page_size))


def list_check_ins_reply(reports: Sequence[CheckIn], asked: OfGoal) -> pb.ListCheckInsResponse:
    page = reports[: asked.limit]
    token = str(page[-1].id) if len(reports) > asked.limit else ""
    return pb.ListCheckInsResponse(check_ins=[check_in_to_proto(each) for each in page], next_page_token=token)


def change_goal(request: pb.ProposeGoalRequest | pb.ConfirmGoalRequest | pb.CloseGoalRequest) -> ChangeGoal:
    """Which goal to change, as its caller knows it."""
    return ChangeGoal(to_uuid(request.goal_id, "goal_id"), request.etag)


def change_goal_with_reason(request: pb.RejectGoalRequest | pb.CancelGoalRequest) -> ChangeGoal:
    """The same, with the reason that is needed."""
    reason = to_text(request.reason, "reason", REASON, needed=True)
    return ChangeGoal(to_uuid(request.goal_id, "goal_id"), request.etag, reason)


def propose_goal_reply(goal: Goal) -> pb.ProposeGoalResponse:
    return pb.ProposeGoalResponse(goal=to_proto(goal))


def confirm_goal_reply(goal: Goal) -> pb.ConfirmGoalResponse:
    return pb.ConfirmGoalResponse(goal=to_proto(goal))


def reject_goal_reply(goal: Goal) -> pb.RejectGoalResponse:
    return pb.RejectGoalResponse(goal=to_proto(goal))


def cancel_goal_reply(goal: Goal) -> pb.CancelGoalResponse:
    return pb.CancelGoalResponse(goal=to_proto(goal))


def close_goal_reply(goal: Goal) -> pb.CloseGoalResponse:
    return pb.CloseGoalResponse(goal=to_proto(goal))


def check_in_goal(request: pb.CheckInGoalRequest) -> CheckInGoal:
    """The report."""
    if not -1 <= request.confidence <= 10:
        raise Invalid("0 to 10, or -1 for none", field="confidence")
    return CheckInGoal(
        id=new_id(),
        goal_id=to_uuid(request.goal_id, "goal_id"),
        measure_id=to_optional_uuid(request.measure_id, "measure_id"),
        value=to_optional_decimal(request.value, "value"),
        done=request.done,
        confidence=None if request.confidence < 0 else request.confidence,
        note=to_text(request.note, "note", TEXT),
    )


def check_in_goal_reply(outcome: tuple[Goal, CheckIn]) -> pb.CheckInGoalResponse:
    return pb.CheckInGoalResponse(goal=to_proto(outcome[0]), check_in=check_in_to_proto(outcome[1]))


def freeze_attainments(request: pb.FreezeAttainmentsRequest) -> FreezeAttainments:
    """The period to freeze."""
    return FreezeAttainments(
        to_uuid(request.freeze_id, "freeze_id"),
        to_date(request.period_start, "period_start"),
        to_date(request.period_end, "period_end"),
        to_instant(request.as_of, "as_of"),
    )


def freeze_attainments_reply(count: int) -> pb.FreezeAttainmentsResponse:
    return pb.FreezeAttainmentsResponse(count=count)


def list_attainments(request: pb.ListAttainmentsRequest) -> ListAttainments:
    """Whose attainments."""
    if len(request.employee_ids) > MAX_PEOPLE:
        raise Invalid(f"at most {MAX_PEOPLE} people", field="employee_ids")
    ids = [to_uuid(each, f"employee_ids[{index}]") for index, each in enumerate(request.employee_ids)]
    return ListAttainments(to_uuid(request.freeze_id, "freeze_id"), ids)


def list_attainments_reply(found: Sequence[Attainment]) -> pb.ListAttainmentsResponse:
    return pb.ListAttainmentsResponse(attainments=[_attainment(each) for each in found])


def to_proto(goal: Goal) -> pb.Goal:
    """A goal on the wire."""
    return pb.Goal(
        id=str(goal.id),
        owner_id=str(goal.owner.id),
        name=goal.name,
        description=goal.description,
        mode=MODES_BACK[goal.mode],
        state=STATES_BACK[goal.state],
        weight=from_decimal(goal.weight),
        period_start=goal.period_start.isoformat(),
        period_end=goal.period_end.isoformat(),
        measures=[_measure_to_proto(each) for each in goal.measures],
        progress=from_decimal(rules.progress(goal)),
        version=goal.version,
        reason=goal.reason,
        etag=str(goal.version),
        create_time=from_instant(goal.create_time),
    )


def check_in_to_proto(report: CheckIn) -> pb.CheckIn:
    """A check-in on the wire."""
    return pb.CheckIn(
        id=str(report.id),
        goal_id=str(report.goal_id),
        measure_id=str(report.measure_id),
        value=from_decimal(report.value),
        done=report.done,
        confidence=-1 if report.confidence is None else report.confidence,
        note=report.note,
        author_id=str(report.author_id),
        create_time=from_instant(report.create_time),
    )


def _measure(each: pb.Measure, field: str) -> Measure:
    direction = DIRECTIONS.get(each.direction)
    if direction is None:
        raise Invalid("higher or lower", field=f"{field}.direction")
    return Measure(
        id=new_id(),
        name=to_text(each.name, f"{field}.name", NAME, needed=True),
        weight=to_decimal(each.weight or "0", f"{field}.weight"),
        baseline=to_decimal(each.baseline or "0", f"{field}.baseline"),
        target=to_optional_decimal(each.target, f"{field}.target"),
        unit=to_text(each.unit, f"{field}.unit", 50),
        direction=direction,
    )


def _measure_to_proto(each: Measure) -> pb.Measure:
    return pb.Measure(
        id=str(each.id),
        name=each.name,
        weight=from_decimal(each.weight),
        baseline=from_decimal(each.baseline),
        target=from_decimal(each.target),
        unit=each.unit,
        direction=DIRECTIONS_BACK[each.direction],
        value=from_decimal(each.value),
        done=each.done,
        confidence=-1 if each.confidence is None else each.confidence,
    )


def _attainment(each: Attainment) -> pb.Attainment:
    return pb.Attainment(
        employee_id=str(each.employee_id),
        goal_id=str(each.goal_id),
        goal_version=each.goal_version,
        name=each.name,
        mode=MODES_BACK[each.mode],
        weight=from_decimal(each.weight),
        canceled=each.canceled,
        measures=[
            pb.MeasureAttainment(
                measure_id=str(measure.id),
                name=measure.name,
                weight=from_decimal(measure.weight),
                value=from_decimal(measure.value),
                baseline=from_decimal(measure.baseline),
                target=from_decimal(measure.target),
                direction=DIRECTIONS_BACK[measure.direction],
                done=measure.done,
            )
            for measure in each.measures
        ],
    )
