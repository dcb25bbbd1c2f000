"""Remember which departures were told once the last day had passed.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Whoever has left before is told of once more: followers take it twice, and some never heard of it on the day."""
    op.execute("ALTER TABLE employee ADD COLUMN left_told date")
    op.execute(
        "CREATE INDEX ix_employee_untold ON employee (tenant_id, left_on)"
        " WHERE left_on IS NOT NULL AND left_told IS DISTINCT FROM left_on"
    )


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
