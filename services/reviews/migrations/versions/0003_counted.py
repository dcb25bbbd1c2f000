"""Let the system role count what is open and late in all companies, for the metrics: no word that people wrote.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COUNTED = {
    "stage": "tenant_id, id, cycle_id, kind, state, due_at, blocked_reason",
    "task": "tenant_id, stage_id, kind, state, due_override",
}


def upgrade() -> None:
    """Only these columns, and only to read."""
    for table, columns in COUNTED.items():
        op.execute(f"REVOKE ALL ON {table} FROM reviews_system")
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO reviews_system")
        op.execute(f"CREATE POLICY counted ON {table} FOR SELECT TO reviews_system USING (true)")


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
