"""What people and notify told of assignees, kept so that reviews knows why something waits."""

from sqlalchemy import BigInteger, Column, Date, Index, Table, Text

from services.reviews.tables.registry import instant, key, metadata, tenant, text, updated

# The last day of whoever leaves; none for somebody who came back.
departure = Table(
    "departure",
    metadata,
    tenant(),
    key("employee_id"),
    Column("left_on", Date),
    Column("version", BigInteger, nullable=False),
    updated(),
)

# Days away, both included.
absence = Table(
    "absence",
    metadata,
    tenant(),
    key("employee_id"),
    Column("from_on", Date, primary_key=True),
    Column("to_on", Date, primary_key=True),
    updated(),
    Index("ix_absence_to", "tenant_id", "to_on"),
)

# A message that asks for a task and did not reach its recipient by a channel; gone when a later one did.
undelivered = Table(
    "undelivered",
    metadata,
    tenant(),
    key("task_id"),
    key("recipient_id"),
    Column("channel", Text, primary_key=True),
    text("error"),
    instant("since", nullable=False),
    updated(),
)
