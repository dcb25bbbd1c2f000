"""Scores a page of participants; one bad person is recorded with a reason and stops nobody else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.scoring.domain.documents import content_hash, write_explanation, write_inputs
from services.scoring.domain.errors import ScoringError
from services.scoring.domain.form import Form
from services.scoring.domain.form_reader import read_form
from services.scoring.domain.grades import GradeScale
from services.scoring.domain.model import GoalsByEmployee, Page, ScoredRow, Subject
from services.scoring.domain.score import ENGINE_VERSION, Score, Unscored, score


def needs_goals(page: Page) -> bool:
    """Whether any form of the page has a goal indicator."""
    return any(
        item["kind"] == "goal"
        for form in page.forms.values()
        for section in form.get("sections", ())
        for item in section.get("indicators", ())
    )


def with_goals(page: Page, goals: GoalsByEmployee) -> Page:
    """The page with each participant's frozen goals among their inputs."""
    subjects = tuple(
        replace(each, inputs=replace(each.inputs, goals=goals.get(each.employee_id, ()))) for each in page.subjects
    )
    return replace(page, subjects=subjects)


def compute(page: Page) -> tuple[ScoredRow, ...]:
    """A row for everybody on the page: a score, or the reason why there is none."""
    scale = page.rules.scale()
    forms = {form_id: _FormOrReason.of(document) for form_id, document in page.forms.items()}
    return tuple(_compute_one(subject, forms.get(subject.form_id), scale) for subject in page.subjects)


class _FormOrReason:
    """A form that was read once for all who share it, or why it cannot be read."""

    def __init__(self, hash_: bytes, form: Form | None, reason: str) -> None:
        self.hash = hash_
        self.form = form
        self.reason = reason

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "_FormOrReason":
        hash_ = content_hash(document)
        try:
            return cls(hash_, read_form(document), "")
        except ScoringError as error:
            return cls(hash_, None, error.message)


def _compute_one(subject: Subject, form: _FormOrReason | None, scale: GradeScale) -> ScoredRow:
    inputs = write_inputs(subject.inputs)
    hash_ = form.hash if form else content_hash({})
    row = ScoredRow(subject, hash_, inputs, content_hash(hash_.hex(), ENGINE_VERSION, inputs))
    if form is None:
        return replace(row, unscored_code="FORM_MISSING", unscored_message="the participant has no form")
    if form.form is None:
        return replace(row, unscored_code="FORM_INVALID", unscored_message=form.reason)
    outcome = score(form.form, subject.inputs)
    if isinstance(outcome, Unscored):
        return replace(row, unscored_code=outcome.code, unscored_message=outcome.message)
    return _graded(row, outcome, scale)


def _graded(row: ScoredRow, outcome: Score, scale: GradeScale) -> ScoredRow:
    grade = scale.of(outcome.weighted, outcome.veto_grade)
    return replace(
        row,
        raw=outcome.raw,
        weighted=outcome.weighted,
        grade=grade.code,
        coefficient=grade.coefficient,
        veto_grade=outcome.veto_grade,
        explanation=write_explanation(outcome.explanation),
    )
