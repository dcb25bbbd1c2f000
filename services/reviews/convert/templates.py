"""TemplateService: proto ↔ domain."""

import base64
import json
from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from protos.reviews.v1 import templates_pb2
from services.reviews.convert.template_schema import schema_text
from services.reviews.convert.template_text import read_template_text
from services.reviews.domain.errors import Invalid
from services.reviews.domain.findings import Finding, Severity
from services.reviews.domain.form_body import canonical_json
from services.reviews.domain.messages import ENGLISH, render
from services.reviews.domain.model import Template, TemplateVersion
from services.reviews.usecases.templates import (
    Applied,
    ApplyTemplate,
    CopyTemplate,
    GetTemplate,
    PageTemplates,
    PageVersions,
    PublishTemplate,
)

DEFAULT_PAGE, LARGEST_PAGE = 50, 500
LARGEST_NAME = 200
SEVERITIES = {
    Severity.ERROR: templates_pb2.SEVERITY_ERROR,
    Severity.PERSON: templates_pb2.SEVERITY_PERSON,
    Severity.WARNING: templates_pb2.SEVERITY_WARNING,
}
Item = TypeVar("Item")


def apply_template(request: templates_pb2.ApplyTemplateRequest) -> ApplyTemplate:
    read = read_template_text(request.source)
    return ApplyTemplate(read.body, read.findings, read.line_of, request.etag, request.publish)


def apply_template_reply(applied: Applied) -> templates_pb2.ApplyTemplateResponse:
    return templates_pb2.ApplyTemplateResponse(
        template=template_message(applied.template),
        version=version_message(applied.version),
        findings=finding_messages(applied.findings),
    )


def publish_template(request: templates_pb2.PublishTemplateRequest) -> PublishTemplate:
    return PublishTemplate(read_id(request.template_id, "template_id"), request.etag)


def publish_template_reply(applied: Applied) -> templates_pb2.PublishTemplateResponse:
    return templates_pb2.PublishTemplateResponse(
        template=template_message(applied.template), version=version_message(applied.version)
    )


def copy_template(request: templates_pb2.CopyTemplateRequest) -> CopyTemplate:
    name = request.name.strip()
    if not 1 <= len(name) <= LARGEST_NAME:
        raise Invalid(f"a name has 1 to {LARGEST_NAME} characters", field="name")
    return CopyTemplate(read_id(request.template_id, "template_id"), _version_number(request.version), name)


def copy_template_reply(applied: Applied) -> templates_pb2.CopyTemplateResponse:
    return templates_pb2.CopyTemplateResponse(
        template=template_message(applied.template), version=version_message(applied.version)
    )


def get_template(request: templates_pb2.GetTemplateRequest) -> GetTemplate:
    return GetTemplate(id_if_one(request.template), request.template, _version_number(request.version))


def get_template_reply(applied: Applied) -> templates_pb2.GetTemplateResponse:
    return templates_pb2.GetTemplateResponse(
        template=template_message(applied.template), version=version_message(applied.version)
    )


def list_templates(request: templates_pb2.ListTemplatesRequest) -> PageTemplates:
    after = read_token(request.page_token)
    size = page_size(request.page_size)
    if after is None:
        return PageTemplates(None, size)
    if len(after) != 2:
        raise _bad_token()
    return PageTemplates((after[0], read_id(after[1], "page_token")), size)


def list_templates_reply(page: list[Template], size: int) -> templates_pb2.ListTemplatesResponse:
    last = page[-1] if len(page) == size else None
    return templates_pb2.ListTemplatesResponse(
        templates=[template_message(item) for item in page],
        next_page_token=write_token(last.name, str(last.id)) if last else "",
    )


def list_versions(request: templates_pb2.ListTemplateVersionsRequest) -> PageVersions:
    after = read_token(request.page_token)
    if after is not None and not (len(after) == 1 and after[0].isdigit()):
        raise _bad_token()
    below = int(after[0]) if after else None
    return PageVersions(read_id(request.template_id, "template_id"), below, page_size(request.page_size))


def list_versions_reply(page: list[TemplateVersion], size: int) -> templates_pb2.ListTemplateVersionsResponse:
    return templates_pb2.ListTemplateVersionsResponse(
        versions=[version_message(item) for item in page],
        next_page_token=write_token(str(page[-1].version)) if len(page) == size else "",
    )


def schema_reply() -> templates_pb2.GetTemplateSchemaResponse:
    return templates_pb2.GetTemplateSchemaResponse(schema_json=schema_text())


def template_message(template: Template) -> templates_pb2.Template:
    return templates_pb2.Template(
        id=str(template.id),
        name=template.name,
        latest_version=template.version,
        published_version=template.published_version,
        etag=str(template.etag),
        create_time=timestamp(template.create_time),
    )


def version_message(version: TemplateVersion) -> templates_pb2.TemplateVersion:
    return templates_pb2.TemplateVersion(
        id=f"{version.template_id}/{version.version}",
        number=version.version,
        published=version.published_at is not None,
        definition_json=canonical_json(version.body).decode() if version.body else "",
        create_time=timestamp(version.create_time),
        publish_time=timestamp(version.published_at),
    )


def finding_messages(findings: Iterable[Finding], language: str = ENGLISH) -> list[templates_pb2.Finding]:
    return [_finding(finding, language) for finding in findings]


def _finding(finding: Finding, language: str) -> templates_pb2.Finding:
    words = render(finding, language)
    return templates_pb2.Finding(
        severity=SEVERITIES[finding.severity],
        code=finding.code,
        pointer=finding.pointer,
        subject=finding.subject,
        message=words.message,
        remedy=words.remedy,
        line=finding.line,
    )


def timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message


def read_id(written: str, field: str) -> UUID:
    """An id; Invalid names the field."""
    found = id_if_one(written)
    if found is None:
        raise Invalid(f"{field} is not an id", field=field)
    return found


def id_if_one(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None


def page_size(asked: int) -> int:
    if asked < 0 or asked > LARGEST_PAGE:
        raise Invalid(f"page_size is 1 to {LARGEST_PAGE}", field="page_size")
    return asked or DEFAULT_PAGE


def write_token(*parts: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def read_token(token: str) -> list[str] | None:
    """The parts of a page token; None for the first page, Invalid for one that we did not write."""
    if not token:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, RecursionError):
        raise _bad_token() from None
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise _bad_token()
    return parts


def _version_number(asked: int) -> int:
    if asked < 0:
        raise Invalid("version is 0 for the latest, or a number from 1", field="version")
    return asked


def _bad_token() -> Invalid:
    return Invalid("page_token is not one that was given out", field="page_token")
