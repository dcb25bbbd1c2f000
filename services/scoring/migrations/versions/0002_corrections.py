"""Remember whose score is to be computed again.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from services.runtime.database import row_level_security_ddl

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CORRECTION = """CREATE TABLE correction (
    tenant_id uuid NOT NULL, cycle_id uuid NOT NULL, participant_id uuid NOT NULL, event_id uuid NOT NULL,
    attempts integer NOT NULL DEFAULT 0, retry_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_correction PRIMARY KEY (tenant_id, cycle_id, participant_id))"""


def upgrade() -> None:
    op.execute(CORRECTION)
    op.execute("CREATE INDEX ix_correction_retry ON correction (retry_at)")
    for statement in row_level_security_ddl("scoring", "correction", system=True):
        op.execute(statement)


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
