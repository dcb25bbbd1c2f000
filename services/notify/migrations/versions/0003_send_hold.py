"""Let an operator hold what goes outside, after a restore above all.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

from services.runtime.database.schema import tenantless_ddl

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """While the table has its one row, nothing is sent; only the system role, which sends, may change it."""
    op.execute(
        "CREATE TABLE send_hold (single boolean NOT NULL DEFAULT true CONSTRAINT ck_send_hold_single CHECK (single),"
        " reason text NOT NULL, create_time timestamptz NOT NULL DEFAULT clock_timestamp(),"
        " CONSTRAINT pk_send_hold PRIMARY KEY (single))"
    )
    for statement in tenantless_ddl("notify", "send_hold"):
        op.execute(statement)
    op.execute("REVOKE INSERT, UPDATE, DELETE ON send_hold FROM notify_app")


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
