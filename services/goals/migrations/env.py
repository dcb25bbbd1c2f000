"""Alembic's entry: the schema of goals."""

from services.goals.tables import metadata
from services.runtime.database import migration_environment

migration_environment(metadata)
