"""Keep which tasks a message asks for, and let the sender find its work without a tenant.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from services.runtime.database import row_level_security_ddl

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE message_task (
    tenant_id uuid NOT NULL, task_id uuid NOT NULL, message_id uuid NOT NULL, stage_id uuid NOT NULL,
    CONSTRAINT pk_message_task PRIMARY KEY (tenant_id, task_id, message_id),
    CONSTRAINT fk_message_task_tenant_id_message_id
        FOREIGN KEY (tenant_id, message_id) REFERENCES message (tenant_id, id))""",
    "CREATE INDEX ix_message_task_message ON message_task (tenant_id, message_id)",
    "CREATE INDEX ix_delivery_due ON delivery (next_attempt_time) WHERE state = 'pending'",
    "CREATE INDEX ix_delivery_sending ON delivery (update_time) WHERE state = 'sending'",
)


def upgrade() -> None:
    """Make the table and the indexes; only the app role sees the table."""
    for statement in (*STATEMENTS, *row_level_security_ddl("notify", "message_task", system=False)):
        op.execute(statement)


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
