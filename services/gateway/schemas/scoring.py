"""Bodies about calibration, results and exports."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from services.gateway.schemas.fields import Body, Decimal, Key, Reason, Reference, Text


class WithReason(Body):
    """Why."""

    reason: Reason


class PreviewMove(Body):
    """A move to try."""

    participant: Key
    grade: Reference | None = None
    score: Decimal | None = None


class MoveMember(PreviewMove):
    """A move."""

    reason: Reason


class UndoSession(Body):
    """How much to take back."""

    everything: Annotated[StrictBool, Field(examples=[False])] = False


class CommitSession(Body):
    """Why the guideline is waived, where it is enforced and missed."""

    waiver_reason: Annotated[str, Field(max_length=2000, examples=["Two transfers in September."])] = ""


class Acknowledge(Body):
    """What I say of my result."""

    opinion: Literal["agree", "disagree"]
    comment: Text = ""
    signature: Annotated[str, Field(max_length=200)] = ""


class CreateExport(Body):
    """What to export."""

    kind: Literal["results"] = "results"
    cycle: Key
    columns: Annotated[list[Reference], Field(max_length=100)] = []
    format: Literal["csv"] = "csv"
