"""Nobody is calibrated twice in one stage.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No release has the table filled yet, so the column needs no backfill."""
    op.execute("ALTER TABLE session_member ADD COLUMN stage_id uuid NOT NULL")
    op.execute(
        "ALTER TABLE session_member ADD CONSTRAINT uq_session_member_tenant_id_stage_id_participant_id"
        " UNIQUE (tenant_id, stage_id, participant_id)"
    )


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
