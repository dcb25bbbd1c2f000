"""Remember who is to stand elsewhere from a later day on.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from services.runtime.database import row_level_security_ddl

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The system role sees what is due, and nothing else of goals."""
    op.execute(
        """CREATE TABLE standing_due (
    tenant_id uuid NOT NULL, employee_id uuid NOT NULL, due_on date NOT NULL,
    CONSTRAINT pk_standing_due PRIMARY KEY (tenant_id, employee_id, due_on))"""
    )
    for statement in row_level_security_ddl("goals", "standing_due", system=True):
        op.execute(statement)
    op.execute("REVOKE INSERT, UPDATE, DELETE ON standing_due FROM goals_system")


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
