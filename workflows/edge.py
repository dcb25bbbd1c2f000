"""The worker's boundary around each activity: its span, and the name under which its failure is recorded."""

from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from services.runtime.telemetry import parse_traceparent, tracer
from workflows import errors


class ActivityEdge(Interceptor):
    """Wraps each activity of a worker once."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Edge(next)


class _Edge(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Run in a new trace of its own, linked to the request that caused it: a wait of weeks is no span."""
        cause = parse_traceparent(getattr(input.args[0], "traceparent", "")) if input.args else None
        step = activity.info().activity_type
        with tracer.start_as_current_span(f"step {step}", context=Context(), links=[Link(cause)] if cause else None):
            try:
                return await self.next.execute_activity(input)
            except Exception as error:
                raise errors.named(error, step) from None
