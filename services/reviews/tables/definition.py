"""Templates, their versions, forms and cycle schedules."""

from sqlalchemy import Column, Index, Integer, Table, Time
from sqlalchemy.dialects.postgresql import ARRAY

from services.reviews.tables.registry import (
    HASH,
    INSTANT,
    created,
    document,
    foreign,
    instant,
    key,
    metadata,
    reference,
    tenant,
    text,
    updated,
)

template = Table(
    "template",
    metadata,
    tenant(),
    key(),
    text("name"),
    text("state", "draft"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("published_version", Integer, nullable=False, server_default="0"),
    Column("etag", Integer, nullable=False, server_default="1"),
    created(),
    updated(),
    Index("uq_template_name", "tenant_id", "name", unique=True),
)

template_version = Table(
    "template_version",
    metadata,
    tenant(),
    key("template_id"),
    Column("version", Integer, primary_key=True),
    document("body"),
    Column("content_hash", HASH, nullable=False),
    instant("published_at"),
    created(),
    foreign(["template_id"], "template", ["id"]),
)

form = Table(
    "form",
    metadata,
    tenant(),
    key(),
    Column("content_hash", HASH, nullable=False),
    document("body"),
    reference("template_id", nullable=True),
    Column("template_version", Integer, nullable=False, server_default="0"),
    document("labels"),
    created(),
    Index("ix_form_content_hash", "tenant_id", "content_hash", unique=True),
)

cycle_schedule = Table(
    "cycle_schedule",
    metadata,
    tenant(),
    key(),
    text("name"),
    text("state", "active"),
    text("kind"),
    Column("launch_day", Integer, nullable=False),
    Column("launch_time", Time, nullable=False),
    text("zone"),
    reference("owner_id"),
    document("definition"),
    text("on_person_findings", "exclude"),
    Column("launched", Integer, nullable=False, server_default="0"),
    instant("last_nominal_at"),
    Column("launch_times", ARRAY(INSTANT), nullable=False, server_default="{}"),
    Column("version", Integer, nullable=False, server_default="1"),
    created(),
    updated(),
)
