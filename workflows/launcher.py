"""The seconds-long launcher that a Temporal Schedule starts for each nominal time of a recurring cycle."""

from temporalio import workflow

from workflows import messages, policies
from workflows.messages import LaunchedCycle, NominalLaunch, ScheduleRef, Step


@workflow.defn(name=messages.SCHEDULED_LAUNCH)
class ScheduledLaunch:
    """Has reviews make and launch the cycle; the cycle's own workflow is started by the event of that launch."""

    @workflow.run
    async def run(self, schedule: ScheduleRef) -> LaunchedCycle:
        nominal = workflow.info().typed_search_attributes[messages.SCHEDULED_START]  # never now: catch-up runs are late
        launched: LaunchedCycle = await workflow.execute_activity(
            Step.CREATE_SCHEDULED_CYCLE,
            NominalLaunch(schedule, nominal),
            result_type=LaunchedCycle,
            **policies.options(Step.CREATE_SCHEDULED_CYCLE),
        )
        return launched
