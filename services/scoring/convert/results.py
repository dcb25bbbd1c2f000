"""Results, distributions and exports as they travel."""

from uuid import UUID

from protos.scoring.v1 import scoring_pb2
from services.runtime.clock import new_id
from services.scoring.convert.fields import (
    optional_uuid,
    page_size,
    read_token,
    shown,
    timestamp,
    uuid_of,
    write_token,
)
from services.scoring.convert.sessions import grade_counts
from services.scoring.domain.errors import InvalidInput
from services.scoring.domain.explanation import Explanation, Line
from services.scoring.domain.model import Export, ResultFilter
from services.scoring.usecases.export_results import CreateExport
from services.scoring.usecases.read_results import (
    Distribution,
    GetDistribution,
    GetResult,
    ListResults,
    ResultShown,
    ResultsPage,
)


def list_results(request: scoring_pb2.ListResultsRequest) -> ListResults:
    """The page asked for."""
    wanted = ResultFilter(
        cycle_id=optional_uuid(request.cycle_id, "cycle_id"),
        employee_id=optional_uuid(request.employee_id, "employee_id"),
        department_id=optional_uuid(request.department_id, "department_id"),
        grade=request.grade,
    )
    return ListResults(wanted, read_token(request.page_token), page_size(request.page_size))


def list_results_reply(page: ResultsPage) -> scoring_pb2.ListResultsResponse:
    """The page."""
    return scoring_pb2.ListResultsResponse(
        results=[result(each) for each in page.results], next_page_token=write_token(page.last)
    )


def get_result(request: scoring_pb2.GetResultRequest) -> GetResult:
    """The result asked for."""
    if not request.result_id and not request.participant_id:
        raise InvalidInput("name a result or a participant", field="result_id")
    return GetResult(
        optional_uuid(request.result_id, "result_id"), optional_uuid(request.participant_id, "participant_id")
    )


def get_result_reply(each: ResultShown) -> scoring_pb2.GetResultResponse:
    """The result with its explanation."""
    reply = scoring_pb2.GetResultResponse(result=result(each))
    if each.result.explanation is not None:
        reply.result.explanation.CopyFrom(explanation(each.result.explanation))
    return reply


def get_distribution(request: scoring_pb2.GetDistributionRequest) -> GetDistribution:
    """The distribution asked for."""
    return GetDistribution(uuid_of(request.cycle_id, "cycle_id"), optional_uuid(request.department_id, "department_id"))


def get_distribution_reply(each: Distribution) -> scoring_pb2.GetDistributionResponse:
    """The distribution."""
    return scoring_pb2.GetDistributionResponse(
        counts=grade_counts(each.counts), unscored=each.unscored, amended=each.amended
    )


def create_export(request: scoring_pb2.CreateExportRequest) -> CreateExport:
    """The export asked for, with its new id."""
    return CreateExport(new_id(), request.kind, uuid_of(request.cycle_id, "cycle_id"), tuple(request.columns))


def create_export_reply(each: Export) -> scoring_pb2.CreateExportResponse:
    """The export."""
    return scoring_pb2.CreateExportResponse(export=export(each))


def get_export(request: scoring_pb2.GetExportRequest | scoring_pb2.DownloadExportRequest) -> UUID:
    """The export asked for."""
    return uuid_of(request.export_id, "export_id")


def get_export_reply(each: Export) -> scoring_pb2.GetExportResponse:
    """The export."""
    return scoring_pb2.GetExportResponse(export=export(each))


def download_export_reply(content: bytes) -> scoring_pb2.DownloadExportResponse:
    """One part of the file."""
    return scoring_pb2.DownloadExportResponse(content=content)


def result(each: ResultShown) -> scoring_pb2.Result:
    """A result as far as it is shown."""
    row = each.result
    return scoring_pb2.Result(
        id=str(row.id),
        cycle_id=str(row.cycle_id),
        participant_id=str(row.participant_id),
        employee_id=str(row.employee_id),
        version=row.version,
        raw=shown(row.raw),
        weighted=shown(row.weighted),
        calibrated=shown(row.calibrated),
        final=shown(row.final),
        grade=row.grade,
        coefficient=shown(row.coefficient),
        scored_grade=row.scored_grade,
        released=row.released_at is not None,
        release_time=timestamp(row.released_at),
        amended=row.amended,
        unscored_reason=row.unscored_code,
        department_name=row.department_name,
        etag=f"{row.version}.{row.revision}",
    )


def explanation(each: Explanation) -> scoring_pb2.Explanation:
    """An explanation."""
    return scoring_pb2.Explanation(
        total=shown(each.total), lines=[line(every) for every in each.lines], notes=each.notes
    )


def line(each: Line) -> scoring_pb2.Line:
    """One line of an explanation."""
    return scoring_pb2.Line(
        path=each.path,
        relation=each.relation,
        raw=shown(each.raw),
        weight=shown(each.weight),
        contribution=shown(each.contribution),
        inputs=dict(each.inputs),
        hidden=each.hidden,
        name=each.name,
        depth=each.depth,
    )


def export(each: Export) -> scoring_pb2.Export:
    """An export without its content."""
    return scoring_pb2.Export(
        id=str(each.id), state=each.state, done=each.done, total=each.total, reason=each.reason, sha256=each.sha256
    )
