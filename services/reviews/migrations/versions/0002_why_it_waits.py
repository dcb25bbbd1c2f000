"""Keep what people and notify tell of assignees, and find who could not be scored.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from services.runtime.database import row_level_security_ddl

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("departure", "absence", "undelivered")
STATEMENTS = (
    """CREATE TABLE departure (
    tenant_id uuid NOT NULL, employee_id uuid NOT NULL, left_on date, version bigint NOT NULL,
    update_time timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_departure PRIMARY KEY (tenant_id, employee_id))""",
    """CREATE TABLE absence (
    tenant_id uuid NOT NULL, employee_id uuid NOT NULL, from_on date NOT NULL, to_on date NOT NULL,
    update_time timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_absence PRIMARY KEY (tenant_id, employee_id, from_on, to_on))""",
    "CREATE INDEX ix_absence_to ON absence (tenant_id, to_on)",
    """CREATE TABLE undelivered (
    tenant_id uuid NOT NULL, task_id uuid NOT NULL, recipient_id uuid NOT NULL, channel text NOT NULL,
    error text NOT NULL, since timestamptz NOT NULL, update_time timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_undelivered PRIMARY KEY (tenant_id, task_id, recipient_id, channel))""",
    "CREATE INDEX ix_participant_unscored ON participant (tenant_id, cycle_id, id)"
    " WHERE findings <> '{}' AND state IN ('enrolled', 'in_review')",
)


def upgrade() -> None:
    """Make the tables and the index; what happened before is not known."""
    for statement in STATEMENTS:
        op.execute(statement)
    for table in TABLES:
        for statement in row_level_security_ddl("reviews", table):
            op.execute(statement)


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
