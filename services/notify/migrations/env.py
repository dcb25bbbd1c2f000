"""Alembic's entry: the schema of notify."""

from services.notify.tables import metadata
from services.runtime.database import migration_environment

migration_environment(metadata)
