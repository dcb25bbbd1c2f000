"""The unit of work of scoring: one transaction with its stores."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.database import Origin, Work
from services.scoring.store.corrections import CorrectionStore
from services.scoring.store.exports import ExportStore
from services.scoring.store.releases import ReleaseStore
from services.scoring.store.results import ResultStore
from services.scoring.store.scores import ScoreStore
from services.scoring.store.sessions import SessionStore

__all__ = ["ScoringWork"]


class ScoringWork(Work):
    """One transaction in the hands of a use case of scoring."""

    def __init__(self, connection: AsyncConnection, origin: Origin) -> None:
        super().__init__(connection, origin)
        self.scores = ScoreStore(connection, origin.tenant_id)
        self.results = ResultStore(connection, origin.tenant_id)
        self.sessions = SessionStore(connection, origin.tenant_id)
        self.releases = ReleaseStore(connection, origin.tenant_id)
        self.corrections = CorrectionStore(connection, origin.tenant_id)
        self.exports = ExportStore(connection, origin.tenant_id)
