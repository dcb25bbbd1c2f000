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
    """Whoever left in the last month is told of once more: some never were on the day, and followers take it twice."""
    op.execute("ALTER TABLE employee ADD COLUMN left_told date")
    op.execute(
        "CREATE INDEX ix_employee_untold ON employee (tenant_id, left_on) WHERE left_told IS DISTINCT FROM left_on"
    )
    # All tenants' rows, which the owner sees none of: lifted within this transaction, under the lock of the new column.
    op.execute("ALTER TABLE employee NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE employee SET left_told = left_on WHERE left_on < current_date - 31")
    op.execute("ALTER TABLE employee FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
