"""Grades: by threshold, their coefficients, and how far somebody moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from services.scoring.domain.errors import FormInvalid, GradeUnknown
from services.scoring.domain.form_reader import read_number


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade with its inclusive lower bound in points, and its coefficient."""

    code: str
    start: Decimal
    coefficient: Decimal


@dataclass(frozen=True, slots=True)
class GradeScale:
    """The grades of a template, best first; every score from 0 upwards has exactly one."""

    grades: tuple[Grade, ...]

    def of(self, score: Decimal, veto_grade: str = "") -> Grade:
        """The grade of a score; a veto may only make it worse."""
        earned = next((grade for grade in self.grades if score >= grade.start), self.grades[-1])
        return max(earned, self.named(veto_grade), key=self.position) if veto_grade else earned

    def named(self, code: str) -> Grade:
        """The grade of that code; raises GradeUnknown."""
        for grade in self.grades:
            if grade.code == code:
                return grade
        raise GradeUnknown(f"there is no grade {code}", field="grade")

    def position(self, grade: Grade) -> int:
        """0 for the best."""
        return self.grades.index(grade)

    def better(self, first: str, second: str) -> bool:
        """Whether the first grade is better than the second."""
        return self.position(self.named(first)) < self.position(self.named(second))


DEFAULT_GRADES = GradeScale(
    (
        Grade("S", Decimal(95), Decimal("1.5")),
        Grade("A", Decimal(85), Decimal("1.2")),
        Grade("B", Decimal(70), Decimal("1.0")),
        Grade("C", Decimal(60), Decimal("0.8")),
        Grade("D", Decimal(0), Decimal(0)),
    )
)


def read_grades(documents: Sequence[Mapping[str, Any]]) -> GradeScale:
    """The scale of a template, best first; raises FormInvalid on a gap (none from 0), an overlap or a double name."""
    if not documents:
        return DEFAULT_GRADES
    grades = tuple(
        Grade(each["grade"], _decimal(each["from"]), _decimal(each.get("coefficient", 1))) for each in documents
    )
    faults = scale_faults(grades)
    if faults:
        raise FormInvalid("; ".join(faults))
    return GradeScale(grades)


def scale_faults(grades: Sequence[Grade]) -> tuple[str, ...]:
    """What keeps grades from giving every score exactly one grade."""
    faults = []
    if len({grade.code for grade in grades}) != len(grades):
        faults.append("a grade is named twice")
    if any(above.start <= below.start for above, below in pairwise(grades)):
        faults.append("the lower bounds of grades must fall from best to worst, without overlap")
    if grades and grades[-1].start != 0:
        faults.append("the lowest grade must begin at 0, or scores below it have no grade")
    return tuple(faults)


def _decimal(written: object) -> Decimal:
    number = read_number(written)
    return Decimal(number.numerator) / Decimal(number.denominator)
