"""Settings of a process: read once from the environment, frozen, and refused where they are not fit for its mode."""

from services.runtime.settings.checks import Finding
from services.runtime.settings.loading import load
from services.runtime.settings.process import Certificate, File, ProcessSettings, ServiceSettings, owner_database_url

__all__ = ["Certificate", "File", "Finding", "ProcessSettings", "ServiceSettings", "load", "owner_database_url"]
