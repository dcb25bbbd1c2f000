"""The worker's boundary around each activity: its span, and the name under which its failure is recorded."""

import time
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from services.runtime import telemetry
from workflows import errors
from workflows.messages import Step


class ActivityEdge(Interceptor):
    """Wraps each activity of a worker once."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Edge(next)


class _Edge(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Run in a new trace of its own, linked to the request that caused it: a wait of weeks is no span."""
        message = input.args[0] if input.args else None
        cause = telemetry.parse_traceparent(getattr(message, "traceparent", ""))
        step, begin = activity.info().activity_type, time.perf_counter()
        with telemetry.caused(f"step {step}", cause, **_ids(message)):
            try:
                outcome = await self.next.execute_activity(input)
            except Exception as error:
                named = errors.named(error, step)
                telemetry.log.warning("step failed", step=step, reason=_reason(named), attempt=activity.info().attempt)
                raise named from None
            say = telemetry.log.debug if step == Step.TICK else telemetry.log.info  # a look is of no interest
            say("step done", step=step, ms=round((time.perf_counter() - begin) * 1000, 1))
            return outcome


def _ids(message: Any) -> dict[str, str]:
    """What a step is about, from the messages that steps are given."""
    about = getattr(message, "cycle", None) or getattr(message, "schedule", None)
    stage = getattr(getattr(message, "action", None), "stage_id", "") or getattr(message, "stage_id", "")
    return {"tenant": getattr(about, "tenant_id", ""), "cycle": getattr(about, "cycle_id", ""), "stage": stage}


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, ApplicationError) else type(error).__name__
