"""The tables of goals."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.runtime.database import metadata as runtime_metadata

metadata = runtime_metadata("goals")


def _tenant_id() -> Column[object]:
    return Column("tenant_id", Uuid, nullable=False)


def _created() -> Column[object]:
    return Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


def _of_goal() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "goal_id"], ["goal.tenant_id", "goal.id"])


goal = Table(
    "goal",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("department_path", ARRAY(Uuid), nullable=False),
    Column("manager_chain", ARRAY(Uuid), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("weight", Numeric, nullable=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("measures", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("reason", Text, nullable=False, server_default=""),
    _created(),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index("ix_goal_owner", "tenant_id", "owner_id", "period_start"),
    Index("ix_goal_period", "tenant_id", "period_end", "period_start"),
)

goal_version = Table(
    "goal_version",
    metadata,
    _tenant_id(),
    Column("goal_id", Uuid, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("snapshot", JSONB, nullable=False),
    Column("author", Text, nullable=False),
    _created(),
    PrimaryKeyConstraint("tenant_id", "goal_id", "version"),
    _of_goal(),
)

check_in = Table(
    "check_in",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("goal_id", Uuid, nullable=False),
    Column("measure_id", Uuid, nullable=False),
    Column("value", Numeric),
    Column("done", Boolean, nullable=False),
    Column("confidence", Integer),
    Column("note", Text, nullable=False),
    Column("author_id", Uuid, nullable=False),
    _created(),
    PrimaryKeyConstraint("tenant_id", "id"),
    _of_goal(),
    Index("ix_check_in_goal", "tenant_id", "goal_id", "id"),
)

standing_due = Table(
    "standing_due",
    metadata,
    _tenant_id(),
    Column("employee_id", Uuid, nullable=False),
    Column("due_on", Date, nullable=False),
    PrimaryKeyConstraint("tenant_id", "employee_id", "due_on"),
)

attainment_freeze = Table(
    "attainment_freeze",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("count", Integer, nullable=False),
    _created(),
    PrimaryKeyConstraint("tenant_id", "id"),
)

attainment = Table(
    "attainment",
    metadata,
    _tenant_id(),
    Column("freeze_id", Uuid, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("goal_id", Uuid, nullable=False),
    Column("goal_version", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("weight", Numeric, nullable=False),
    Column("canceled", Boolean, nullable=False),
    Column("measures", JSONB, nullable=False),
    PrimaryKeyConstraint("tenant_id", "freeze_id", "employee_id", "goal_id"),
    ForeignKeyConstraint(["tenant_id", "freeze_id"], ["attainment_freeze.tenant_id", "attainment_freeze.id"]),
)
