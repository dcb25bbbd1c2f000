"""Templates and the forms made from them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.reviews.domain.model.states import TemplateState


@dataclass(frozen=True, slots=True)
class Template:
    """A named line of versions; published versions never change."""

    id: UUID
    name: str
    state: TemplateState
    version: int  # the newest one, draft or published
    published_version: int = 0  # 0: none yet
    etag: int = 1
    create_time: datetime | None = None
    update_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """Sections, indicators, relations, grades and the process, as the author wrote them."""

    template_id: UUID
    version: int
    body: dict[str, Any]
    content_hash: bytes
    published_at: datetime | None = None
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """What a participant is judged on; its id comes from the sha-256 of its body, so equal forms are one row."""

    id: UUID
    content_hash: bytes
    body: dict[str, Any]
    template_id: UUID | None = None
    template_version: int = 0
    labels: dict[str, str] = field(default_factory=dict)
