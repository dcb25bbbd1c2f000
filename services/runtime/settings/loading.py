"""Reads the settings of a process, or ends it with everything that is wrong with them at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import SettingsError

from services.runtime.settings.checks import Finding
from services.runtime.settings.process import ProcessSettings

STAND_INS: Mapping[Any, Any] = {str: "", int: 0, Path: Path()}  # by type, for required settings that are missing
Settings = TypeVar("Settings", bound=ProcessSettings)


def load(kind: type[Settings]) -> Settings:
    """Return this process's settings, or end it naming every variable that is wrong; values are never told."""
    findings: list[Finding] = []
    try:
        settings = kind()
    except SettingsError as error:  # a list that is no JSON
        raise SystemExit(told([Finding("", str(error))])) from None
    except ValidationError as error:
        findings = [_invalid(kind, each["loc"], each["msg"]) for each in error.errors(include_input=False)]
        settings = _with_stand_ins(kind, findings)
    wrong = {finding.variable for finding in findings}
    if settings.mode == "production":
        findings += [finding for finding in settings.development() if finding.variable not in wrong]
    if findings:
        raise SystemExit(told(findings))
    return settings


def told(findings: Sequence[Finding]) -> str:
    """Return the findings as lines."""
    lines = [f"  {variable}: {message}" if variable else f"  {message}" for variable, message in findings]
    return "\n".join(["this process does not start with its settings:", *lines])


def _invalid(kind: type[ProcessSettings], location: tuple[int | str, ...], message: str) -> Finding:
    name = str(location[0]) if location else ""
    return Finding(kind.variable(name) if name in kind.model_fields else name.upper(), message)


def _with_stand_ins(kind: type[Settings], findings: Sequence[Finding]) -> Settings:
    """Return the settings with harmless values where they are wrong, so that the others are looked at too."""
    wrong, stand_ins = {finding.variable for finding in findings}, dict[str, Any]()
    for name, field in kind.model_fields.items():
        if kind.variable(name) in wrong:
            value = STAND_INS[field.annotation] if field.is_required() else field.get_default()
            stand_ins[str(field.validation_alias or name)] = value
    try:
        return kind(**stand_ins)
    except ValidationError:  # what is wrong is no single setting but how some belong together
        raise SystemExit(told(findings)) from None
