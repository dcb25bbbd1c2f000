"""Keep a tombstone of each tenant that was deleted.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

from services.runtime.database import row_level_security_ddl

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Only the owner, as whom an operator deletes, writes it; the system role reads it."""
    op.execute(
        "CREATE TABLE deleted_tenant (tenant_id uuid NOT NULL, audit_roots jsonb NOT NULL,"
        " begin_time timestamptz NOT NULL DEFAULT clock_timestamp(), finish_time timestamptz,"
        " CONSTRAINT pk_deleted_tenant PRIMARY KEY (tenant_id))"
    )
    for statement in row_level_security_ddl("people", "deleted_tenant", system=True):
        op.execute(statement)
    op.execute("REVOKE INSERT, UPDATE, DELETE ON deleted_tenant FROM people_app, people_system")


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
