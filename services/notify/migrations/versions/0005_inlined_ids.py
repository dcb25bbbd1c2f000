"""Make the ids of many rows at once without a query for each.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

from services.runtime.database import INLINED_DETERMINISTIC_ID_DDL

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The ids stay what they are; an older process makes them by the new function too."""
    op.execute(INLINED_DETERMINISTIC_ID_DDL)


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
