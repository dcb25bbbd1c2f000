"""Make the tables of notify.

Revision ID: 0001
Revises:
"""

from alembic import op

from services.runtime.database import row_level_security_ddl, runtime_tables_ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SYSTEM_TABLES = ("message", "delivery", "preference")

TABLES = (
    """CREATE TABLE message (
    tenant_id uuid NOT NULL, id uuid NOT NULL, event_id uuid NOT NULL, recipient_id uuid NOT NULL,
    sequence bigint NOT NULL, kind text NOT NULL, subject_type text NOT NULL, subject_id uuid NOT NULL,
    parameters jsonb NOT NULL, void boolean NOT NULL DEFAULT false, read_time timestamptz,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_message PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_message_tenant_id_event_id_recipient_id UNIQUE (tenant_id, event_id, recipient_id),
    CONSTRAINT uq_message_tenant_id_recipient_id_sequence UNIQUE (tenant_id, recipient_id, sequence))""",
    "CREATE INDEX ix_message_subject ON message (tenant_id, subject_id)",
    """CREATE TABLE delivery (
    tenant_id uuid NOT NULL, id uuid NOT NULL, message_id uuid NOT NULL, recipient_id uuid NOT NULL,
    channel text NOT NULL, state text NOT NULL, attempts integer NOT NULL DEFAULT 0, error text NOT NULL DEFAULT '',
    next_attempt_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    update_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_delivery PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_delivery_tenant_id_message_id_channel UNIQUE (tenant_id, message_id, channel),
    CONSTRAINT fk_delivery_tenant_id_message_id
        FOREIGN KEY (tenant_id, message_id) REFERENCES message (tenant_id, id))""",
    "CREATE INDEX ix_delivery_waiting ON delivery (tenant_id, next_attempt_time) WHERE state = 'pending'",
    """CREATE TABLE preference (
    tenant_id uuid NOT NULL, employee_id uuid NOT NULL, language text NOT NULL, email boolean NOT NULL,
    CONSTRAINT pk_preference PRIMARY KEY (tenant_id, employee_id))""",
)


def upgrade() -> None:
    """Make the runtime's tables and those of notify; the system role reads them and moves deliveries on."""
    for statement in (*runtime_tables_ddl("notify"), *TABLES):
        op.execute(statement)
    for table in SYSTEM_TABLES:
        for statement in row_level_security_ddl("notify", table, system=True):
            op.execute(statement)
    op.execute("REVOKE INSERT, UPDATE, DELETE ON message, preference FROM notify_system")


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
