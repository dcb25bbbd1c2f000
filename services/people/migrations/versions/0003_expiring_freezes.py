"""Let populations that were frozen only to be looked at expire.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was frozen so far stays; the sweep sees which tenants have something to forget, and nothing else."""
    op.execute("ALTER TABLE frozen_population ADD COLUMN expire_time timestamptz")
    op.execute("CREATE POLICY system ON frozen_population TO people_system USING (true)")
    op.execute("REVOKE INSERT, UPDATE, DELETE ON frozen_population FROM people_system")


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
