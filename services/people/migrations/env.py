"""Alembic's entry: the schema of people."""

from services.people.tables import metadata
from services.runtime.database import migration_environment

migration_environment(metadata)
