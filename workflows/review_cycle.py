"""A review cycle's clock: it looks what is due, has it done, and sleeps until the next instant or a hint."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from workflows import messages, policies
from workflows.messages import Action, ActionKind, Blocked, CycleRef, Deed, Look, Sight, Step


class Outcome(Enum):
    DONE = "done"
    CLOSED = "closed"
    BLOCKED = "blocked"


@workflow.defn(name=messages.REVIEW_CYCLE)
class ReviewCycle:
    """Holds no business state: a lost, repeated or late hint, or a run begun anew, changes nothing but latency."""

    @workflow.init
    def __init__(self, cycle: CycleRef) -> None:
        self._hinted = False
        self._reported = list(cycle.reported)
        self._repeats = 0  # how often the same was done in a row: it must not become a hot loop
        self._retry_blocked_seconds = policies.BLOCKED_RETRY_SECONDS

    @workflow.signal(name=messages.HINT)
    def hint(self) -> None:
        self._hinted = True

    @workflow.run
    async def run(self, cycle: CycleRef) -> None:
        done: list[Action] = []
        while True:
            self._hinted = False  # before the look, never after
            sight = await self._look(Look(cycle, looked_at := workflow.now()))
            next_at = workflow.now() + timedelta(seconds=min(sight.next_in_seconds, cycle.look_again_seconds))
            if sight.finished and not self._hinted:
                return
            outcomes = await asyncio.gather(*(self._perform(Deed(cycle, action, looked_at)) for action in sight.due))
            if sight.stage_closed or Outcome.CLOSED in outcomes or self._run_is_long():
                workflow.continue_as_new(messages.carried_over(cycle, self._reported))
            before, done = done, [a for a, outcome in zip(sight.due, outcomes, strict=True) if outcome is Outcome.DONE]
            self._repeats = self._repeats + 1 if done and done == before else 0
            if not done or self._repeats:  # what was done for the first time may have made more due
                await self._wait(next_at, outcomes)  # or a hint

    async def _look(self, look: Look) -> Sight:
        """Have reviews look; a look that fails sees nothing, and is reported, waited out and repeated."""
        try:
            sight = await self._tick(look)
        except FailureError as error:
            await self._report(Blocked(look.cycle, reason=_reason(error)))
            return Sight(next_in_seconds=self._retry_blocked_seconds)
        await self._report(Blocked(look.cycle))
        if changed := messages.changed_attributes(workflow.info().typed_search_attributes, sight):
            workflow.upsert_search_attributes(changed)
        return sight

    async def _tick(self, look: Look) -> Sight:
        sight: Sight
        try:
            sight = await workflow.execute_local_activity(Step.TICK, look, result_type=Sight, **policies.QUICK_LOOK)
        except FailureError as error:
            workflow.logger.info("a quick look failed: %s", _reason(error))
            sight = await workflow.execute_activity(Step.TICK, look, result_type=Sight, **policies.options(Step.TICK))
        return sight

    async def _perform(self, deed: Deed) -> Outcome:
        """Perform one action; a failure is reported and holds no other action."""
        action = deed.action
        try:
            for step in policies.steps_of(action):
                await workflow.execute_activity(step, deed, **policies.options(step))
        except FailureError as error:
            await self._report(Blocked(deed.cycle, action.stage_id, _reason(error), action.kind))
            return Outcome.BLOCKED
        await self._report(Blocked(deed.cycle, action.stage_id, kind=action.kind))
        return Outcome.CLOSED if action.kind is ActionKind.SETTLE else Outcome.DONE

    async def _report(self, blocked: Blocked) -> None:
        """Tell reviews that something is blocked, or free again if that had been reported; learn when to try again."""
        if not blocked.reason and blocked.key not in self._reported:
            return
        self._reported = [key for key in self._reported if key != blocked.key]
        if blocked.reason:
            self._reported.append(blocked.key)
        try:
            self._retry_blocked_seconds = await workflow.execute_activity(
                Step.REPORT_BLOCKED, blocked, result_type=float, **policies.options(Step.REPORT_BLOCKED)
            )
        except FailureError as error:
            workflow.logger.warning("a report did not come through: %s", _reason(error))

    async def _wait(self, next_at: datetime, outcomes: Sequence[Outcome]) -> None:
        """Sleep until the next instant or a hint; shorter after what may be tried, or was done, again."""
        now = workflow.now()
        if Outcome.BLOCKED in outcomes:
            next_at = min(next_at, now + timedelta(seconds=self._retry_blocked_seconds))
        if Outcome.DONE in outcomes:
            next_at = min(next_at, now + timedelta(seconds=policies.SOON_SECONDS * 2 ** min(self._repeats, 12)))
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: self._hinted, timeout=max(policies.SOON_SECONDS, (next_at - now).total_seconds())
            )

    def _run_is_long(self) -> bool:
        return workflow.info().get_current_history_length() > policies.EVENTS_A_RUN


def _reason(error: FailureError) -> str:
    """Why a step failed, as the worker's boundary named it, free of personal data; raises when the run was canceled."""
    if is_cancelled_exception(error):
        raise error
    reason = "TIMED_OUT"
    cause: BaseException | None = error
    while isinstance(cause, FailureError):  # a local activity's failure comes bare, another one's in an ActivityError
        if isinstance(cause, ApplicationError):
            reason = cause.message
        cause = cause.__cause__
    return reason
