"""Bodies about templates, cycles, tasks and actual values."""

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import Field, StrictBool, StrictInt

from services.gateway.schemas.fields import Body, Day, Decimal, Instant, Key, Name, Reason, Reference, Text, plain

Language = Annotated[Literal["en", "zh-CN"], Query(description="Language of messages.")]
ReferenceInPath = Annotated[str, Path(min_length=1, max_length=200, description="Id or name.")]
Version = Annotated[int, Query(ge=0, le=1_000_000)]
StageKey = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="Key of the stage.")]
CycleState = Literal[
    "draft", "validated", "launching", "running", "paused", "released", "closed", "archived", "canceled"
]
ParticipantState = Literal[
    "enrolled", "in_review", "scored", "calibrated", "released", "acknowledged",
    "disputed", "no_answer", "closed", "excluded", "exempt", "withdrawn", "on_hold",
]  # fmt: skip
TaskState = Literal[
    "planned", "open", "in_progress", "submitted", "returned", "recalled",
    "accepted", "expired", "withdrawn", "bypassed",
]  # fmt: skip
CycleKind = Literal["month", "quarter", "half_year", "year", "probation", "project", "custom"]


class WithReason(Body):
    """Why."""

    reason: Reason


class ApplyTemplate(Body):
    """A definition."""

    source: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1_000_000,
            description="YAML or JSON.",
            examples=["name: Sales 2026\nsections: []\n"],
        ),
    ]
    publish: StrictBool = False


class CopyTemplate(Body):
    """What to copy, and its new name."""

    version: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 0
    name: Name


class Period(Body):
    """First and last day."""

    kind: CycleKind | None = None
    start: Day
    end: Day


class Match(Body):
    """Whom a form rule concerns."""

    group: Reference | None = None
    post: Reference | None = None
    department: Reference | None = None
    employees: Annotated[list[Reference], Field(max_length=5000)] = []


class FormRule(Body):
    """Who gets which form; the first match wins, an empty match is everybody."""

    match: Match = Match()
    template: Reference

    def values(self) -> dict[str, Any]:
        """Return the rule as the message has it."""
        return plain(self.match) | {"template": self.template}


class Population(Body):
    """Who takes part."""

    everyone: StrictBool = False
    departments: Annotated[list[Reference], Field(max_length=5000)] = []
    groups: Annotated[list[Reference], Field(max_length=500)] = []
    employees: Annotated[list[Reference], Field(max_length=5000)] = []
    exclude: Annotated[list[Reference], Field(max_length=5000)] = []


class CreateCycle(Body):
    """A cycle in draft."""

    name: Name
    kind: CycleKind = "quarter"
    period: Period
    template: Reference
    forms: Annotated[list[FormRule], Field(max_length=200)] = []
    population: Population = Population(everyone=True)
    start: Instant | None = None
    overrides: dict[str, Any] = {}
    appeal_owner: Reference | None = None

    def values(self) -> dict[str, Any]:
        """Return the cycle as the message has it."""
        return {
            "name": self.name,
            "kind": self.period.kind or self.kind,
            "period_start": self.period.start,
            "period_end": self.period.end,
            "template": self.template,
            "forms": [rule.values() for rule in self.forms],
            "population": plain(self.population) or {"everyone": True},
            "start_time": self.start,
            "overrides": self.overrides or None,
            "appeal_owner": self.appeal_owner,
        }


class LaunchCycle(Body):
    """How to launch."""

    on_person_findings: Annotated[Literal["refuse", "exclude"], Field(examples=["exclude"])] = "refuse"
    warnings_reason: Annotated[str, Field(max_length=2000)] = ""


class ExtendStage(Body):
    """A new deadline, for all or for some."""

    until: Instant
    reason: Reason
    participant: Reference | None = None
    department: Reference | None = None


class CloseStage(Body):
    """Why, and whether for those who were given longer, too."""

    reason: Reason
    end_extensions: bool = False


class ReopenStage(Body):
    """A new deadline."""

    until: Instant
    reason: Reason


class CreateSchedule(Body):
    """A recurring cycle."""

    name: Name
    kind: Literal["month", "quarter", "half_year", "year"]
    business_day: Annotated[StrictInt, Field(ge=1, le=20, description="Launch on this business day after the period.")]
    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="Local time of launch.")] = "09:00"
    template: Reference
    forms: Annotated[list[FormRule], Field(max_length=200)] = []
    population: Population = Population(everyone=True)
    on_person_findings: Literal["refuse", "exclude"] = "exclude"

    def values(self) -> dict[str, Any]:
        """Return the schedule as the message has it."""
        given = {"forms": [rule.values() for rule in self.forms], "population": plain(self.population)}
        names = ("name", "kind", "business_day", "at", "template", "on_person_findings")
        return {name: getattr(self, name) for name in names} | given


class Evidence(Body):
    """A link to something outside."""

    name: Name
    url: Annotated[str, Field(max_length=2000, pattern=r"^https?://")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Answer(Body):
    """The answer to one item."""

    item: Reference
    value: Decimal | None = None
    text: Text = ""
    choices: Annotated[list[Reference], Field(max_length=100)] = []
    evidence: Annotated[list[Evidence], Field(max_length=20)] = []


class SaveTask(Body):
    """A draft."""

    version: Annotated[StrictInt, Field(ge=0, le=1_000_000, description="Version that the answers build on.")]
    answers: Annotated[list[Answer], Field(max_length=500)] = []
    comment: Text = ""


class SubmitTask(SaveTask):
    """Answers."""

    stage_id: Key
    signature: Annotated[str, Field(max_length=200)] = ""


class ReturnTask(Body):
    """Why, until when, and to which stage."""

    reason: Reason
    due_at: Instant | None = None
    to: Reference | None = None


class ReassignTask(Body):
    """To whom."""

    assignee: Reference
    reason: Reason


class ExtendTask(Body):
    """Until when."""

    until: Instant
    reason: Reason


class RemindTasks(Body):
    """Whom."""

    ids: Annotated[list[Key], Field(min_length=1, max_length=500)]
    reason: Reason


class Actual(Body):
    """One actual value: of a participant, or of an employee by code."""

    participant_id: Key | None = None
    employee_code: Reference | None = None
    item: Reference
    value: Decimal
    evidence: Annotated[list[Evidence], Field(max_length=20)] = []


class PutActuals(Body):
    """A batch."""

    actuals: Annotated[list[Actual], Field(min_length=1, max_length=5000)]
    reason: Annotated[str, Field(max_length=2000)] = ""
