"""The services of reviews on the wire; each topic's RPCs stand in `servicers`."""

from services.reviews.servicers.actuals import ActualServicer
from services.reviews.servicers.clockwork import ClockworkServicer
from services.reviews.servicers.cycles import CycleServicer
from services.reviews.servicers.outcomes import OutcomeServicer
from services.reviews.servicers.tasks import TaskServicer
from services.reviews.servicers.templates import TemplateServicer


class TasksServicer(TaskServicer, ActualServicer):
    """TaskService: what people owe, and the actual values that providers supply."""


__all__ = ["ClockworkServicer", "CycleServicer", "OutcomeServicer", "TasksServicer", "TemplateServicer"]
