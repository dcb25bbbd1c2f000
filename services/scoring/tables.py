"""The tables of scoring."""

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.runtime.database import metadata as runtime_metadata

metadata = runtime_metadata("scoring")


def _id(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Uuid, nullable=nullable)


def _text(name: str, default: str | None = None) -> Column[Any]:
    return Column(name, Text, nullable=False, server_default=default)


def _number(name: str) -> Column[Any]:
    return Column(name, Numeric)


def _count(name: str, default: int | None = None) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=None if default is None else text(str(default)))


def _flag(name: str, default: bool) -> Column[Any]:
    return Column(name, Boolean, nullable=False, server_default=text(str(default).lower()))


def _instant(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True))


def _written(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


# What the cycle's template says, as of the last page that was scored by it.
cycle_rule = Table(
    "cycle_rule",
    metadata,
    _id("tenant_id"),
    _id("cycle_id"),
    _text("cycle_name"),
    Column("period_start", Date),
    Column("period_end", Date),
    Column("grades", JSONB, nullable=False),
    Column("guideline", JSONB),
    _text("facilitator"),
    _id("owner_id", nullable=True),
    _written("update_time"),
    PrimaryKeyConstraint("tenant_id", "cycle_id"),
)

# Content-addressed: the formulas, weights and scales of a score, exactly as they were when it was computed.
form = Table(
    "form",
    metadata,
    _id("tenant_id"),
    Column("hash", LargeBinary, nullable=False),
    Column("definition", JSONB, nullable=False),
    _written("create_time"),
    PrimaryKeyConstraint("tenant_id", "hash"),
)

score = Table(
    "score",
    metadata,
    _id("tenant_id"),
    _id("cycle_id"),
    _id("participant_id"),
    _id("stage_id"),
    _count("epoch"),
    Column("form_hash", LargeBinary, nullable=False),
    _count("engine_version"),
    Column("inputs", JSONB, nullable=False),
    Column("inputs_hash", LargeBinary, nullable=False),
    _number("raw"),
    _number("weighted"),
    _text("veto_grade", ""),
    Column("explanation", JSONB, nullable=False),
    _text("unscored_code", ""),
    _text("unscored_message", ""),
    _flag("superseded", False),
    _written("create_time"),
    PrimaryKeyConstraint("tenant_id", "cycle_id", "participant_id", "stage_id", "epoch"),
    ForeignKeyConstraint(["tenant_id", "form_hash"], ["form.tenant_id", "form.hash"]),
)

result = Table(
    "result",
    metadata,
    _id("tenant_id"),
    _id("id"),
    _id("cycle_id"),
    _id("participant_id"),
    _id("employee_id"),
    _count("version"),
    _flag("latest", True),
    _id("stage_id"),
    _count("epoch"),
    Column("inputs_hash", LargeBinary, nullable=False),
    _number("raw"),
    _number("weighted"),
    _number("calibrated"),
    _number("final"),
    _text("scored_grade", ""),
    _text("grade", ""),
    _number("coefficient"),
    Column("explanation", JSONB, nullable=False),
    _text("unscored_code", ""),
    _text("unscored_message", ""),
    Column("department_path", ARRAY(Uuid), nullable=False),
    _text("department_name", ""),
    _id("department_head", nullable=True),
    Column("manager_chain", ARRAY(Uuid), nullable=False),
    _id("facilitator_id", nullable=True),
    _flag("amended", False),
    _id("appeal_id", nullable=True),
    _text("amend_reason", ""),
    _instant("released_at"),
    _count("revision", 1),
    _written("create_time"),
    _written("update_time"),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "cycle_id", "participant_id", "version"),
    Index("ix_result_latest", "tenant_id", "cycle_id", "participant_id", unique=True, postgresql_where=text("latest")),
    Index("ix_result_employee", "tenant_id", "employee_id", "id"),
    Index("ix_result_appeal", "tenant_id", "appeal_id", unique=True, postgresql_where=text("appeal_id IS NOT NULL")),
)

session = Table(
    "session",
    metadata,
    _id("tenant_id"),
    _id("id"),
    _id("cycle_id"),
    _id("stage_id"),
    _count("epoch"),
    _id("department_id", nullable=True),
    Column("department_path", ARRAY(Uuid), nullable=False),
    _text("department_name", ""),
    _id("facilitator_id", nullable=True),
    _text("state", "open"),
    _flag("pooled", False),
    _count("size"),
    _count("moves", 0),
    _count("version", 1),
    _text("waiver_reason", ""),
    _instant("committed_at"),
    _written("create_time"),
    _written("update_time"),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "cycle_id", "stage_id", "department_path"),
)

session_member = Table(
    "session_member",
    metadata,
    _id("tenant_id"),
    _id("session_id"),
    _id("participant_id"),
    _id("employee_id"),
    Column("weighted", Numeric, nullable=False),
    _text("scored_grade"),
    Column("score", Numeric, nullable=False),
    _text("grade"),
    _flag("counted", True),
    _id("stage_id"),
    PrimaryKeyConstraint("tenant_id", "session_id", "participant_id"),
    # Nobody is calibrated twice in one stage, whatever becomes of the groups.
    UniqueConstraint("tenant_id", "stage_id", "participant_id"),
    ForeignKeyConstraint(["tenant_id", "session_id"], ["session.tenant_id", "session.id"]),
)

move = Table(
    "move",
    metadata,
    _id("tenant_id"),
    _id("session_id"),
    _count("sequence"),
    _id("participant_id"),
    _text("from_grade"),
    Column("from_score", Numeric, nullable=False),
    _text("to_grade"),
    Column("to_score", Numeric, nullable=False),
    _text("reason", ""),
    _text("moved_by"),
    _instant("undone_at"),
    _written("create_time"),
    PrimaryKeyConstraint("tenant_id", "session_id", "sequence"),
    ForeignKeyConstraint(["tenant_id", "session_id"], ["session.tenant_id", "session.id"]),
)

# One row makes the results of a cycle visible; every predicate joins it.
release = Table(
    "release",
    metadata,
    _id("tenant_id"),
    _id("cycle_id"),
    _id("stage_id"),
    _count("epoch"),
    Column("released_at", DateTime(timezone=True), nullable=False),
    _count("results"),
    _written("create_time"),
    PrimaryKeyConstraint("tenant_id", "cycle_id"),
)

# Participants whose actual was corrected and whose score is to be computed again; read across tenants.
correction = Table(
    "correction",
    metadata,
    _id("tenant_id"),
    _id("cycle_id"),
    _id("participant_id"),
    _id("event_id"),
    _count("attempts", 0),
    Column("retry_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    _written("create_time"),
    PrimaryKeyConstraint("tenant_id", "cycle_id", "participant_id"),
    Index("ix_correction_retry", "retry_at"),
)

export = Table(
    "export",
    metadata,
    _id("tenant_id"),
    _id("id"),
    _id("cycle_id"),
    _text("kind"),
    Column("columns", ARRAY(Text), nullable=False),
    _text("requested_by"),
    _text("state", "running"),
    _count("done", 0),
    _count("total", 0),
    _text("reason", ""),
    _text("sha256", ""),
    _written("create_time"),
    PrimaryKeyConstraint("tenant_id", "id"),
)

export_part = Table(
    "export_part",
    metadata,
    _id("tenant_id"),
    _id("export_id"),
    _count("part"),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "export_id", "part"),
    ForeignKeyConstraint(["tenant_id", "export_id"], ["export.tenant_id", "export.id"], ondelete="CASCADE"),
)
