"""Who is judged in a cycle, and by whom."""

from sqlalchemy import Column, Date, Index, Integer, Numeric, Table, Text, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from services.reviews.tables.registry import (
    created,
    instant,
    key,
    metadata,
    reference,
    tenant,
    text,
    updated,
)

UNSCORED = "findings <> '{}' AND state IN ('enrolled', 'in_review')"
"""Takes part and could not be scored; the findings of the excluded say why they were not enrolled."""

participant = Table(
    "participant",
    metadata,
    tenant(),
    key(),
    reference("cycle_id"),
    reference("employee_id"),
    text("state", "enrolled"),
    text("code"),
    Column("department_path", ARRAY(Uuid), nullable=False, server_default="{}"),
    text("department_name", ""),
    reference("department_head_id", nullable=True),
    Column("manager_chain", ARRAY(Uuid), nullable=False, server_default="{}"),
    text("post", ""),
    text("level", ""),
    Column("group_ids", ARRAY(Uuid), nullable=False, server_default="{}"),
    Column("hired_on", Date),
    reference("form_id", nullable=True),
    Column("findings", ARRAY(Text), nullable=False, server_default="{}"),
    Column("opinion", Text),
    text("reason", ""),
    instant("result_released_at"),
    Column("version", Integer, nullable=False, server_default="1"),
    created(),
    updated(),
    Index("uq_participant_employee", "tenant_id", "cycle_id", "employee_id", unique=True),
    Index("ix_participant_page", "tenant_id", "cycle_id", "id"),
    Index("ix_participant_unscored", "tenant_id", "cycle_id", "id", postgresql_where=sql(UNSCORED)),
)

rater = Table(
    "rater",
    metadata,
    tenant(),
    key(),
    reference("cycle_id"),
    reference("participant_id"),
    text("relation"),
    reference("rater_id"),
    text("state", "approved"),
    Column("weight", Numeric, nullable=False, server_default="1"),
    reference("proposed_by", nullable=True),
    reference("decided_by", nullable=True),
    text("reason", ""),
    Column("version", Integer, nullable=False, server_default="1"),
    updated(),
    Index("uq_rater", "tenant_id", "participant_id", "relation", "rater_id", unique=True),
    Index("ix_rater_person", "tenant_id", "rater_id", "cycle_id"),
)
