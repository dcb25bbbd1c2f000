"""The unit of work of reviews: its stores, bound to one transaction."""

from datetime import timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.gauges import STAGE_LATENESS
from services.reviews.store.actuals import ActualStore
from services.reviews.store.admission import AdmissionStore
from services.reviews.store.appeals import AppealStore
from services.reviews.store.assignees import AssigneeStore
from services.reviews.store.chunks import ChunkStore
from services.reviews.store.cycles import CycleStore
from services.reviews.store.enrolment import EnrolmentStore
from services.reviews.store.extensions import ExtensionStore
from services.reviews.store.facts import FactStore
from services.reviews.store.live import LiveStore
from services.reviews.store.outcomes import InterviewStore, ParticipantStore
from services.reviews.store.overlaps import OverlapStore
from services.reviews.store.overviews import OverviewStore
from services.reviews.store.readings import ReadingStore
from services.reviews.store.schedules import ScheduleStore
from services.reviews.store.stages import StageStore
from services.reviews.store.stalls import StallStore
from services.reviews.store.tasks import TaskStore
from services.reviews.store.templates import TemplateStore
from services.reviews.store.underway import UnderwayStore
from services.runtime.database import Origin, Work


class ReviewsWork(Work):
    """One transaction with everything that a use case may ask of the rows."""

    def __init__(self, connection: AsyncConnection, origin: Origin) -> None:
        super().__init__(connection, origin)
        tenant_id = origin.tenant_id
        self.cycles = CycleStore(connection, tenant_id)
        self.stages = StageStore(connection, tenant_id)
        self.facts = FactStore(connection, tenant_id)
        self.enrolments = EnrolmentStore(connection, tenant_id)
        self.admissions = AdmissionStore(connection, tenant_id)
        self.chunks = ChunkStore(connection, tenant_id)
        self.extensions = ExtensionStore(connection, tenant_id)
        self.readings = ReadingStore(connection, tenant_id)
        self.live = LiveStore(connection)
        self.templates = TemplateStore(connection, tenant_id)
        self.tasks = TaskStore(connection, tenant_id)
        self.underway = UnderwayStore(connection, tenant_id)
        self.participants = ParticipantStore(connection, tenant_id)
        self.appeals = AppealStore(connection, tenant_id)
        self.interviews = InterviewStore(connection, tenant_id, self.tasks)
        self.overlaps = OverlapStore(connection, tenant_id)
        self.overviews = OverviewStore(connection, tenant_id)
        self.schedules = ScheduleStore(connection, tenant_id)
        self.scheduled = self.cycles
        self.stalls = StallStore(connection, tenant_id)
        self.assignees = AssigneeStore(connection, tenant_id)
        self.actuals = ActualStore(connection, tenant_id)

    def note_lateness(self, kind: str, late: timedelta) -> None:
        """Have the metrics know, once this is committed, how long after its due instant a stage began to close."""
        self.after_commit.append(partial(STAGE_LATENESS.labels(kind).observe, max(0.0, late.total_seconds())))
