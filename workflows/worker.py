"""Composition root of the workflow worker: `python -m workflows.worker [--queues cycle,bulk]`."""

import argparse
import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from protos.goals.v1 import goals_pb2_grpc
from protos.people.v1 import people_pb2_grpc
from protos.reviews.v1 import clockwork_pb2_grpc
from protos.scoring.v1 import scoring_pb2_grpc
from services.runtime import telemetry
from services.runtime.identity import TokenSigner
from services.runtime.serve import channel_to
from services.runtime.settings import load
from workflows import client, messages
from workflows.activities.goals import GoalsActivities
from workflows.activities.people import PeopleActivities
from workflows.activities.reviews import ReviewsActivities
from workflows.activities.scoring import ScoringActivities
from workflows.calls import Caller
from workflows.edge import ActivityEdge
from workflows.launcher import ScheduledLaunch
from workflows.probe import Probe, free_port
from workflows.review_cycle import ReviewCycle
from workflows.settings import WorkerSettings

NAME = "worker"
STICKY = timedelta(seconds=5)  # how long a killed worker's cached workflows wait for it
RUNNER = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules("workflows"))


def activities(settings: WorkerSettings) -> list[Callable[..., Any]]:
    """Every step, bound to the services that it calls."""
    caller = Caller(TokenSigner(NAME, settings.identity_key_file))
    reviews = clockwork_pb2_grpc.ClockworkServiceStub(channel_to("reviews", settings))
    scoring = scoring_pb2_grpc.ScoringServiceStub(channel_to("scoring", settings))
    of_people = PeopleActivities(people_pb2_grpc.PeopleServiceStub(channel_to("people", settings)), reviews, caller)
    of_goals = GoalsActivities(goals_pb2_grpc.GoalsServiceStub(channel_to("goals", settings)), reviews, caller)
    of_reviews = ReviewsActivities(reviews, caller, settings.blocked_retry_seconds)
    of_scoring = ScoringActivities(scoring, reviews, caller)
    return [
        of_reviews.tick,
        of_reviews.report_blocked,
        of_reviews.open_stage,
        of_reviews.remind_stage,
        of_reviews.expire_stage,
        of_reviews.settle_stage,
        of_reviews.create_scheduled_cycle,
        of_people.enrol,
        of_goals.freeze_attainments,
        of_scoring.settle_scores,
        of_scoring.open_calibration,
        of_scoring.settle_calibration,
        of_scoring.settle_release,
    ]


def build_worker(engine: Client, queue: str, steps: Sequence[Callable[..., Any]], settings: WorkerSettings) -> Worker:
    """Return the worker of a queue; both know all steps, the queue decides which of them arrive."""
    cycle = queue == messages.CYCLE_QUEUE
    return Worker(
        engine,
        task_queue=queue,
        workflows=[ReviewCycle, ScheduledLaunch] if cycle else [],
        activities=steps,
        workflow_runner=RUNNER,
        interceptors=[ActivityEdge()],
        max_concurrent_activities=settings.short_activities if cycle else settings.bulk_activities,
        sticky_queue_schedule_to_start_timeout=STICKY,
        max_heartbeat_throttle_interval=timedelta(seconds=2),
        graceful_shutdown_timeout=timedelta(seconds=settings.grace_seconds),
        deployment_config=_version(settings.build_id),
    )


def _version(build_id: str) -> WorkerDeploymentConfig | None:
    """What this worker is a version of; cycles in flight move on to the version that is made the current one."""
    if not build_id:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(messages.DEPLOYMENT, build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


async def main(queues: Sequence[str]) -> None:
    """Work until SIGTERM or SIGINT, then let what is under way end."""
    settings = load(WorkerSettings)
    telemetry.configure(NAME, settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sdk_metrics = f"127.0.0.1:{free_port()}"
    exposed = PrometheusConfig(sdk_metrics, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=exposed, attach_service_name=False))
    ready = asyncio.Event()
    with Probe(settings.host, settings.probe_port, ready.is_set, f"http://{sdk_metrics}/metrics"):
        engine = await client.connect(settings, runtime)
        steps = activities(settings)
        async with AsyncExitStack() as workers:
            for queue in queues:
                await workers.enter_async_context(build_worker(engine, queue, steps, settings))
            ready.set()
            telemetry.log.info("ready", queues=list(queues))
            await stop.wait()
            ready.clear()
    telemetry.log.info("stopped")


def queues_of(arguments: Sequence[str] | None = None) -> list[str]:
    """The queues named on the command line; all when none is."""
    parser = argparse.ArgumentParser(prog="python -m workflows.worker", description=__doc__)
    parser.add_argument("--queues", default=",".join(messages.QUEUES), help="comma-separated: cycle, bulk")
    queues = [queue.strip() for queue in parser.parse_args(arguments).queues.split(",")]
    if unknown := set(queues) - set(messages.QUEUES):
        parser.error(f"unknown queues: {', '.join(sorted(unknown))}")
    return queues


if __name__ == "__main__":
    asyncio.run(main(queues_of()))
