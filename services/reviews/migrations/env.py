"""Alembic's entry: the schema of reviews."""

from services.reviews.tables import metadata
from services.runtime.database import migration_environment

migration_environment(metadata)
