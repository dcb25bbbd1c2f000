"""Bodies about goals."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from services.gateway.schemas.fields import Body, Day, Decimal, Key, Name, Reason, Text

GoalState = Literal["draft", "proposed", "confirmed", "active", "achieved", "missed", "canceled", "rejected"]


class WithReason(Body):
    """Why."""

    reason: Reason


class Measure(Body):
    """A KPI's number, a key result or a milestone."""

    name: Name
    weight: Decimal | None = None
    baseline: Decimal | None = None
    target: Decimal | None = None
    unit: Annotated[str, Field(max_length=50)] = ""
    direction: Literal["higher", "lower"] = "higher"


class CreateGoal(Body):
    """A goal in draft."""

    owner_id: Key | None = None
    name: Name
    description: Text = ""
    mode: Literal["kpi", "okr", "mbo"]
    weight: Decimal
    period_start: Day
    period_end: Day
    measures: Annotated[list[Measure], Field(min_length=1, max_length=50)]


class CheckIn(Body):
    """Progress."""

    measure_id: Key | None = None
    value: Decimal | None = None
    done: StrictBool = False
    confidence: Annotated[StrictInt, Field(ge=0, le=10)] | None = None
    note: Text = ""
