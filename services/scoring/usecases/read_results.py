"""Results as far as the reader may see them."""

from dataclasses import dataclass, replace
from uuid import UUID

from services.scoring.domain.calibration import GradeCount
from services.scoring.domain.errors import NotFound
from services.scoring.domain.explanation import for_participant
from services.scoring.domain.grades import DEFAULT_GRADES
from services.scoring.domain.model import Result, ResultFilter
from services.scoring.domain.quota import quota
from services.scoring.policy import View, may_export, view_of
from services.scoring.usecases.needs import NeedsResults


@dataclass(frozen=True, slots=True)
class ListResults:
    """A page of results."""

    wanted: ResultFilter
    after: UUID | None
    size: int


@dataclass(frozen=True, slots=True)
class GetResult:
    """A result by id, or the latest of a participant."""

    result_id: UUID | None
    participant_id: UUID | None


@dataclass(frozen=True, slots=True)
class GetDistribution:
    """A cycle, or one department's subtree of it."""

    cycle_id: UUID
    department_id: UUID | None


@dataclass(frozen=True, slots=True)
class ResultShown:
    """A result with what the reader may not see taken out."""

    result: Result
    view: View


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """A page of results; `last` is the id to go on after, None at the end."""

    results: tuple[ResultShown, ...]
    last: UUID | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many hold each grade, best first."""

    counts: tuple[GradeCount, ...]
    unscored: int
    amended: int


async def list_results(work: NeedsResults, command: ListResults) -> ResultsPage:
    """Latest results that the caller may see, without explanations."""
    rows = await work.results.page(work.principal, command.wanted, command.after, command.size + 1)
    kept = rows[: command.size]
    shown = tuple(as_seen(row, view_of(work.principal, row)) for row in kept)
    return ResultsPage(shown, kept[-1].id if len(rows) > command.size else None)


async def get_result(work: NeedsResults, command: GetResult) -> ResultShown:
    """A result with its explanation; one that the caller may not see does not exist for them."""
    found = await work.results.find(result_id=command.result_id, participant_id=command.participant_id)
    if found is None or view_of(work.principal, found) is View.NONE:
        raise NotFound("there is no such result")
    return as_seen(found, view_of(work.principal, found))


async def get_distribution(work: NeedsResults, command: GetDistribution) -> Distribution:
    """Grades of a cycle over the people whom the caller may see counted; what is suggested is for HR alone."""
    rules = await work.scores.rules(command.cycle_id)
    counted = await work.results.count(work.principal, command.cycle_id, command.department_id)
    scale = rules.scale() if rules else DEFAULT_GRADES
    guideline = rules.quotas() if rules and may_export(work.principal) else None
    suggested = quota(sum(counted.grades.values()), guideline.quotas) if guideline else {}
    counts = tuple(
        GradeCount(grade.code, counted.grades.get(grade.code, 0), suggested.get(grade.code)) for grade in scale.grades
    )
    return Distribution(counts, counted.unscored, counted.amended)


def as_seen(row: Result, view: View) -> ResultShown:
    """The result as that view shows it: raw, weighted, calibrated and coefficient are HR's and the facilitator's."""
    if view is View.FULL:
        return ResultShown(row, view)
    explanation = for_participant(row.explanation) if row.explanation else None
    seen = replace(
        row,
        raw=None,
        weighted=None,
        calibrated=None,
        coefficient=None,
        scored_grade="",
        explanation=explanation,
    )
    return ResultShown(seen, view)
