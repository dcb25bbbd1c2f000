"""A template's text → what it says, or everything that is wrong with it, each with its line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.reviews.convert.template_schema import schema_findings
from services.reviews.convert.template_source import read_source
from services.reviews.domain.findings import Finding, blocking, error
from services.reviews.domain.template import TemplateBody
from services.reviews.domain.template_checks import check_template
from services.reviews.domain.template_reader import read_template


@dataclass(frozen=True, slots=True)
class ReadTemplate:
    """A text as read: the template where it could be read at all, the findings by line, and where things stand."""

    body: TemplateBody | None
    findings: tuple[Finding, ...]
    line_of: Callable[[str], int]

    @property
    def usable(self) -> bool:
        return self.body is not None and not blocking(self.findings)


def read_template_text(text: str) -> ReadTemplate:
    """Reads YAML (JSON is YAML too); checks syntax, schema, rules, each only on what passed before."""
    source, faults = read_source(text)
    document: Any = source.document
    if not faults:
        faults = schema_findings(document)
    body = None
    if not faults:
        body, faults = _read(document)
    located = (finding if finding.line else source.located(finding) for finding in faults)
    return ReadTemplate(body, tuple(sorted(located, key=lambda finding: finding.line)), source.line_of)


def _read(document: Any) -> tuple[TemplateBody | None, tuple[Finding, ...]]:
    try:
        body = read_template(document)
    except ValueError as problem:  # a date such as 31 February fits the schema's pattern
        return None, (error("UNREADABLE_VALUE", problem=str(problem)),)
    return body, check_template(body)
