"""The tables of notify; the sender reads messages and deliveries of all tenants by the system role."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.runtime.database import metadata as runtime_metadata

metadata = runtime_metadata("notify")


def _tenant_id() -> Column[object]:
    return Column("tenant_id", Uuid, nullable=False)


def _instant(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


message = Table(
    "message",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("recipient_id", Uuid, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("void", Boolean, nullable=False, server_default=text("false")),
    Column("read_time", DateTime(timezone=True)),
    _instant("create_time"),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "event_id", "recipient_id"),
    UniqueConstraint("tenant_id", "recipient_id", "sequence"),
    Index("ix_message_subject", "tenant_id", "subject_id"),
)

# Which tasks a message asks for; a row goes when its recipient does not owe the task any more.
message_task = Table(
    "message_task",
    metadata,
    _tenant_id(),
    Column("task_id", Uuid, nullable=False),
    Column("message_id", Uuid, nullable=False),
    Column("stage_id", Uuid, nullable=False),
    PrimaryKeyConstraint("tenant_id", "task_id", "message_id"),
    ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"]),
    Index("ix_message_task_message", "tenant_id", "message_id"),
)

delivery = Table(
    "delivery",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("message_id", Uuid, nullable=False),
    Column("recipient_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("error", Text, nullable=False, server_default=""),
    _instant("next_attempt_time"),
    _instant("update_time"),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "message_id", "channel"),
    ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"]),
    # The sender asks without a tenant.
    Index("ix_delivery_due", "next_attempt_time", postgresql_where=text("state = 'pending'")),
    Index("ix_delivery_sending", "update_time", postgresql_where=text("state = 'sending'")),
    Index("ix_delivery_waiting", "tenant_id", "next_attempt_time", postgresql_where=text("state = 'pending'")),
)

preference = Table(
    "preference",
    metadata,
    _tenant_id(),
    Column("employee_id", Uuid, nullable=False),
    Column("language", Text, nullable=False),
    Column("email", Boolean, nullable=False),
    PrimaryKeyConstraint("tenant_id", "employee_id"),
)

# Its one row, while there is one, keeps the sender from sending.
send_hold = Table(
    "send_hold",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("reason", Text, nullable=False),
    _instant("create_time"),
    CheckConstraint("single", name="single"),
)
