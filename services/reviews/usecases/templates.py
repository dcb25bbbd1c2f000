"""What HR does with templates: apply, publish, copy, read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.reviews.domain.errors import (
    EtagMismatch,
    TemplateAlreadyPublished,
    TemplateInvalid,
    TemplateNameTaken,
    TemplateNotFound,
)
from services.reviews.domain.findings import Finding, blocking, error
from services.reviews.domain.form_body import content_hash, form_body, storable
from services.reviews.domain.messages import render
from services.reviews.domain.model import Template, TemplateState, TemplateVersion
from services.reviews.domain.template import TemplateBody
from services.reviews.domain.template_checks import all_formulas
from services.reviews.domain.template_reader import read_template
from services.reviews.policy.cycles import require_administrator
from services.runtime.clock import new_id
from services.runtime.identity import Principal

LARGEST_REPORT = 50


class Templates(Protocol):
    """What these use cases need of the store."""

    async def lock_name(self, name: str) -> Template | None: ...
    async def lock(self, template_id: UUID) -> Template | None: ...
    async def find(self, template_id: UUID) -> Template | None: ...
    async def find_by_name(self, name: str) -> Template | None: ...
    async def page(self, after: tuple[str, UUID] | None, size: int) -> list[Template]: ...
    async def add(self, new: Template) -> None: ...
    async def save(self, changed: Template) -> Template: ...
    async def version(self, template_id: UUID, number: int) -> TemplateVersion | None: ...
    async def versions(self, template_id: UUID, below: int | None, size: int) -> list[TemplateVersion]: ...
    async def put_draft(self, draft: TemplateVersion) -> TemplateVersion: ...
    async def publish(self, version: TemplateVersion, at: datetime) -> TemplateVersion: ...
    async def keep_form(self, body: Mapping[str, Any], template_id: UUID, version: int) -> UUID: ...


class NeedsTemplates(Protocol):
    """The unit of work, as far as templates go."""

    principal: Principal

    @property
    def templates(self) -> Templates: ...

    async def now(self) -> datetime: ...
    async def emit(
        self, kind: str, aggregate_type: str, aggregate_id: UUID, version: int, payload: Mapping[str, Any]
    ) -> UUID: ...
    async def audit(
        self,
        action: str,
        subject_type: str,
        subject_id: UUID,
        *,
        detail: dict[str, Any],
        note: str = "",
        content_hash: bytes | None = None,
    ) -> UUID: ...


@dataclass(frozen=True, slots=True)
class FormulaToCheck:
    """A formula, with the pointer at which a fault is reported."""

    key: str
    text: str
    basis: str


@dataclass(frozen=True, slots=True)
class FormulaFault:
    """Why scoring cannot use a formula; `position` counts characters from 0."""

    key: str
    code: str
    message: str
    message_zh: str
    position: int


class Formulas(Protocol):
    """Scoring, as far as formulas go."""

    async def check(self, formulas: Sequence[FormulaToCheck]) -> Sequence[FormulaFault]: ...


@dataclass(frozen=True, slots=True)
class ApplyTemplate:
    """A template as read; `line_of` finds the line of a pointer in the text."""

    body: TemplateBody | None
    findings: tuple[Finding, ...]
    line_of: Callable[[str], int]
    etag: str = ""
    publish: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    template: Template
    version: TemplateVersion
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishTemplate:
    template_id: UUID
    etag: str = ""


@dataclass(frozen=True, slots=True)
class CopyTemplate:
    template_id: UUID
    version: int
    name: str


@dataclass(frozen=True, slots=True)
class GetTemplate:
    """By id, or by name."""

    id: UUID | None
    name: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class PageTemplates:
    after: tuple[str, UUID] | None
    size: int


@dataclass(frozen=True, slots=True)
class PageVersions:
    template_id: UUID
    below: int | None
    size: int


def compile_formulas(formulas: Formulas) -> Callable[[Principal, ApplyTemplate], Any]:
    """The step before the transaction of an apply: scoring compiles the formulas, its faults join the findings."""

    async def prepare(principal: Principal, command: ApplyTemplate) -> ApplyTemplate:
        if command.body is None or not all_formulas(command.body):
            return command
        faults = await formulas.check(formulas_of(command.body))
        found = [formula_finding(fault, command.body) for fault in faults]
        located = [replace(finding, line=command.line_of(finding.pointer)) for finding in found]
        return replace(command, findings=(*command.findings, *located))

    return prepare


def formulas_of(body: TemplateBody, prefix: str = "") -> list[FormulaToCheck]:
    """The formulas of a template, keyed by the pointer of their indicator below `prefix`."""
    return [FormulaToCheck(f"{prefix}{item.pointer}", item.formula, item.basis) for item in all_formulas(body)]


def formula_finding(fault: FormulaFault, body: TemplateBody, prefix: str = "") -> Finding:
    """What scoring says of a formula, as a finding at its indicator."""
    names = {f"{prefix}{item.pointer}": item.key for item in body.indicators()}
    name = names.get(fault.key, fault.key)
    if fault.code == "WEIGHT_APPLIED_TWICE":
        return error("FORMULA_APPLIES_WEIGHT_TWICE", f"{fault.key}/formula", name, name=name)
    facts = {"problem": fault.message, "problem_zh": fault.message_zh, "position": fault.position + 1}
    return error("FORMULA_INVALID", f"{fault.key}/formula", name, name=name, **facts)


async def apply_template(work: NeedsTemplates, command: ApplyTemplate) -> Applied:
    """A new template, or the draft of its next version; the same text again changes nothing."""
    require_administrator(work.principal)
    body = command.body
    faults = blocking(command.findings)
    if body is None or faults:
        raise TemplateInvalid(_summary(faults), violations=[_violation(finding) for finding in faults[:LARGEST_REPORT]])
    known = await work.templates.lock_name(body.name)
    _require_etag(known, command.etag)
    applied = await _write_draft(work, known, storable(body.document))
    if command.publish and applied.version.published_at is None:
        applied = await _publish(work, applied)
    warnings = tuple(finding for finding in command.findings if finding not in faults)
    return replace(applied, findings=warnings)


async def publish_template(work: NeedsTemplates, command: PublishTemplate) -> Applied:
    """The draft becomes unchangeable and usable, and its form gets its row."""
    require_administrator(work.principal)
    known = await work.templates.lock(command.template_id)
    if known is None:
        raise TemplateNotFound("there is no such template", field="template_id")
    _require_etag(known, command.etag)
    version = await _version(work, known, known.version)
    if version.published_at is not None:
        raise TemplateAlreadyPublished(f"version {version.version} of {known.name} is published already")
    return await _publish(work, Applied(known, version))


async def copy_template(work: NeedsTemplates, command: CopyTemplate) -> Applied:
    """A version under another name, as a draft."""
    require_administrator(work.principal)
    source = await work.templates.find(command.template_id)
    if source is None:
        raise TemplateNotFound("there is no such template", field="template_id")
    if await work.templates.lock_name(command.name) is not None:
        raise TemplateNameTaken(f"there is a template named {command.name} already", field="name")
    version = await _version(work, source, command.version or source.version)
    return await _write_draft(work, None, {**version.body, "name": command.name})


async def get_template(work: NeedsTemplates, command: GetTemplate) -> Applied:
    """A template with one version, by default the latest."""
    found = await work.templates.find(command.id) if command.id else None
    found = found or await work.templates.find_by_name(command.name)
    if found is None:
        raise TemplateNotFound("there is no such template", field="template")
    return Applied(found, await _version(work, found, command.version or found.version))


async def list_templates(work: NeedsTemplates, command: PageTemplates) -> list[Template]:
    return await work.templates.page(command.after, command.size)


async def list_versions(work: NeedsTemplates, command: PageVersions) -> list[TemplateVersion]:
    if await work.templates.find(command.template_id) is None:
        raise TemplateNotFound("there is no such template", field="template_id")
    return await work.templates.versions(command.template_id, command.below, command.size)


async def _write_draft(work: NeedsTemplates, known: Template | None, document: dict[str, Any]) -> Applied:
    content = content_hash(document)
    if known is None:
        known = Template(new_id(), document["name"], TemplateState.DRAFT, version=1)
        await work.templates.add(known)
    else:
        latest = await _version(work, known, known.version)
        if latest.content_hash == content:
            return Applied(known, latest)
        known = await work.templates.save(replace(known, version=known.version + bool(latest.published_at)))
    draft = await work.templates.put_draft(TemplateVersion(known.id, known.version, document, content))
    await work.audit("template.apply", "template", known.id, detail={"version": known.version}, content_hash=content)
    return Applied(known, draft)


async def _publish(work: NeedsTemplates, applied: Applied) -> Applied:
    version = await work.templates.publish(applied.version, await work.now())
    published = replace(applied.template, state=TemplateState.PUBLISHED, published_version=version.version)
    template = await work.templates.save(published)
    await work.templates.keep_form(form_body(read_template(version.body)), template.id, version.version)
    detail = {"version": version.version}
    await work.audit("template.publish", "template", template.id, detail=detail, content_hash=version.content_hash)
    await work.emit("reviews.template_published", "template", template.id, template.etag, detail)
    return Applied(template, version, applied.findings)


async def _version(work: NeedsTemplates, template: Template, number: int) -> TemplateVersion:
    version = await work.templates.version(template.id, number)
    if version is None:
        raise TemplateNotFound(f"{template.name} has no version {number}", field="version")
    return version


def _require_etag(template: Template | None, etag: str) -> None:
    if etag and etag != (str(template.etag) if template else ""):
        raise EtagMismatch("the template was changed meanwhile; read it again", field="etag")


def _summary(faults: Sequence[Finding]) -> str:
    if len(faults) == 1:
        return "the template has a fault: " + _words(faults[0])
    return f"the template has {len(faults)} faults; the first: " + (_words(faults[0]) if faults else "it is empty")


def _violation(finding: Finding) -> tuple[str, str, str]:
    return (finding.pointer or "/", finding.code, _words(finding))


def _words(finding: Finding) -> str:
    words = render(finding)
    at = f"line {finding.line}: " if finding.line else ""
    return f"{at}{words.message}; {words.remedy}"
