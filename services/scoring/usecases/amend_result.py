"""An appeal decided in the participant's favour makes the next version of their result, with a release of its own."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from services.scoring.domain.errors import NotFound
from services.scoring.domain.grades import DEFAULT_GRADES, Grade, GradeScale
from services.scoring.domain.model import Result
from services.scoring.usecases.needs import NeedsResults


@dataclass(frozen=True, slots=True)
class AmendResult:
    """What the owner of the appeal decided; a grade or score that is not given follows from the other, or stays."""

    appeal_id: UUID
    cycle_id: UUID
    participant_id: UUID
    score: Decimal | None
    grade: str
    reason: str = ""


async def amend_result(work: NeedsResults, command: AmendResult) -> Result:
    """Make the version once per appeal; the one before stays readable."""
    known = await work.results.by_appeal(command.appeal_id)
    if known is not None:
        return known
    before = await work.results.lock_latest(command.cycle_id, command.participant_id)
    if before is None:
        raise NotFound("the participant has no result to amend")
    rules = await work.scores.rules(command.cycle_id)
    final = before.final if command.score is None else command.score
    grade = amended_grade(rules.scale() if rules else DEFAULT_GRADES, before, command)
    released_at = await work.now()
    made = await work.results.amend(
        before,
        appeal_id=command.appeal_id,
        final=final,
        grade=grade.code if grade else before.grade,
        coefficient=grade.coefficient if grade else before.coefficient,
        reason=command.reason,
        released_at=released_at,
    )
    facts = {
        "appeal_id": str(command.appeal_id),
        "cycle_id": str(command.cycle_id),
        "participant_id": str(command.participant_id),
        "employee_id": str(made.employee_id),
        "result_id": str(made.id),
        "result_version": made.version,
        "release_time": released_at.isoformat(),
    }
    await work.emit("scoring.result_amended", "result", made.id, made.version, facts)
    await work.audit("result.amended", "result", made.id, detail=facts, note=command.reason)
    return made


def amended_grade(scale: GradeScale, before: Result, command: AmendResult) -> Grade | None:
    """The grade as decided, else that of the decided score; None when the one before stays."""
    if command.grade:
        return scale.named(command.grade)
    if command.score is not None and command.score != before.final:
        return scale.of(command.score)
    return None
