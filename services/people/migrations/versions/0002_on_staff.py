"""Tell accounts that only administer from people who work here.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Everyone known so far is on the staff."""
    op.execute("ALTER TABLE employee ADD COLUMN on_staff boolean NOT NULL DEFAULT true")


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
