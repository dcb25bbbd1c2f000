"""Which roles and which services may call which RPC of reviews at all; a method without a row is refused."""

from collections.abc import Iterable, Mapping

from services.runtime.identity import Access

EVERYBODY = frozenset({"employee"})
HR = frozenset({"hr_admin", "hr_partner"})
LEADERS = HR | {"manager"}
READERS = EVERYBODY | HR | {"manager", "auditor", "operator", "appeal_owner", "facilitator"}

PACKAGE = "/attune.reviews.v1."


def _rows(service: str, methods: str, access: Access) -> Iterable[tuple[str, Access]]:
    return ((f"{PACKAGE}{service}/{method}", access) for method in methods.split())


PEOPLES = Access(roles=EVERYBODY)
READING = Access(roles=READERS)
HR_ONLY = Access(roles=HR)
HR_ADMIN = Access(roles=frozenset({"hr_admin"}))
LEADING = Access(roles=LEADERS)
WORKER = Access(services=frozenset({"worker"}))

TASK_ACCESS: Mapping[str, Access] = dict(
    [
        *_rows("TaskService", "ListTasks GetTask", READING),
        *_rows("TaskService", "SaveTask SubmitTask RecallTask", PEOPLES),
        *_rows("TaskService", "ReturnTask", LEADING),
        *_rows("TaskService", "ReassignTask ExtendTask RemindTasks", HR_ONLY),
    ]
)

OUTCOME_ACCESS: Mapping[str, Access] = dict(
    [
        *_rows("OutcomeService", "AcknowledgeResult FileAppeal WithdrawAppeal", PEOPLES),
        *_rows("OutcomeService", "GetAppeal ListAppeals ListInterviews", READING),
        *_rows("OutcomeService", "AcceptAppeal DeclineAppeal DecideAppeal", PEOPLES),
        *_rows("OutcomeService", "AssignAppeal", HR_ONLY),
        *_rows("OutcomeService", "ScheduleInterview RecordInterview SignInterview", PEOPLES),
    ]
)

TEMPLATE_ACCESS: Mapping[str, Access] = dict(
    [
        *_rows("TemplateService", "ApplyTemplate PublishTemplate CopyTemplate", HR_ADMIN),
        *_rows(
            "TemplateService",
            "GetTemplate ListTemplates ListTemplateVersions GetTemplateSchema",
            Access(roles=HR | {"auditor"}),
        ),
    ]
)

ACTUAL_ACCESS: Mapping[str, Access] = dict(
    [
        *_rows("TaskService", "ListActuals", READING),
        *_rows("TaskService", "PutActuals ImportActuals", PEOPLES),
    ]
)
"""Providers are employees like any other; which values they may put is decided by the rows of `provider`."""

CYCLE_ACCESS: Mapping[str, Access] = dict(
    [
        *_rows("CycleService", "CreateCycle ValidateCycle LaunchCycle PauseCycle ResumeCycle CancelCycle", HR_ADMIN),
        *_rows("CycleService", "ReleaseCycle CloseStage ReopenStage", HR_ADMIN),
        *_rows("CycleService", "CreateSchedule ListSchedules PauseSchedule ResumeSchedule", HR_ADMIN),
        *_rows("CycleService", "ExtendStage", HR_ONLY),
        *_rows("CycleService", "GetCycle ListCycles", READING),
        *_rows(
            "CycleService",
            "GetCycleProgress GetCycleTimeline",
            Access(roles=HR | {"auditor", "operator"}, services=frozenset({"bridge"})),
        ),
        *_rows("CycleService", "ListStalled", Access(roles=LEADERS | {"auditor", "operator"})),
        *_rows("CycleService", "ListParticipants GetParticipant", READING),
    ]
)

CLOCKWORK_ACCESS: Mapping[str, Access] = dict(
    [
        *_rows("ClockworkService", "Tick GetEnrolment EnrolPage FinishEnrolment OpenStage RemindStage", WORKER),
        *_rows("ClockworkService", "ExpireStage MarkScored FinishSettling ReportBlocked CreateScheduledCycle", WORKER),
        *_rows("ClockworkService", "PeekCycle", Access(services=frozenset({"bridge"}))),
        *_rows("ClockworkService", "ListLiveCycles ListDueSchedules", Access(services=frozenset({"bridge", "worker"}))),
        *_rows(
            "ClockworkService",
            "ListScoringInputs GetScoringRules",
            Access(services=frozenset({"scoring", "worker"})),
        ),
        *_rows("ClockworkService", "ListRecipients", Access(services=frozenset({"notify"}))),
    ]
)

RPC_ACCESS: Mapping[str, Access] = {
    **TEMPLATE_ACCESS,
    **CYCLE_ACCESS,
    **TASK_ACCESS,
    **ACTUAL_ACCESS,
    **OUTCOME_ACCESS,
    **CLOCKWORK_ACCESS,
}
