"""What a check of a template or of a cycle finds: which rule is broken, where, by whom, and with which figures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Severity(StrEnum):
    """Errors block; person findings concern one person and never stop the others; warnings want a reason."""

    ERROR = "error"
    PERSON = "person"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule; `facts` fill the words of `messages.render`, `line` is 0 where there is none."""

    severity: Severity
    code: str
    pointer: str = ""
    subject: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    line: int = 0

    def below(self, prefix: str) -> "Finding":
        """The same finding where its document hangs at `prefix` of a larger one."""
        return replace(self, pointer=prefix + self.pointer)


def error(code: str, pointer: str = "", subject: str = "", **facts: object) -> Finding:
    """A finding that blocks."""
    return Finding(Severity.ERROR, code, pointer, subject, _words(facts))


def warning(code: str, pointer: str = "", subject: str = "", **facts: object) -> Finding:
    """A finding that wants a reason, not a change."""
    return Finding(Severity.WARNING, code, pointer, subject, _words(facts))


def person(code: str, subject: str, pointer: str = "/population", **facts: object) -> Finding:
    """A finding about one person, who is refused or left out as the launch says."""
    return Finding(Severity.PERSON, code, pointer, subject, _words(facts))


def blocking(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those of severity error, in their order."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)


def _words(facts: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in facts.items()}
