"""The event log counts on when a restore has brought it to a server that counts transactions anew.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

from services.runtime.database import log_offset_ddl

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Places in the log stay what they are; an older process reads on, too, until a restore has set the offset."""
    for statement in log_offset_ddl("people"):
        op.execute(statement)


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
