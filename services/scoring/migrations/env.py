"""Alembic's entry: the schema of scoring."""

from services.runtime.database import migration_environment
from services.scoring.tables import metadata

migration_environment(metadata)
