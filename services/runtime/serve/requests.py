"""What every request must satisfy before a servicer sees it: a deadline, and values that can be stored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from services.runtime.errors import InvalidRequestError, Violation
from services.runtime.identity import OPEN_PREFIXES

DEADLINE_SECONDS = 30.0
DEADLINE_TOLERANCE = 1.0  # what rounding on the way and the two clocks may add
MAX_TEXT = 10_000  # characters
TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(9000, 1, 1, tzinfo=UTC).timestamp()  # far enough from the calendar's end to add to it
MAX_DURATION = 100 * 366 * 86400  # seconds
NANOS = 1_000_000_000


@dataclass(frozen=True)
class RequestRules:
    """The rules, and a service's exceptions to them: methods without a deadline, fields with longer texts."""

    bulk: frozenset[str] = frozenset()  # full method names
    text_limits: Mapping[str, int] = field(default_factory=dict)  # full field name → characters

    def check_deadline(self, method: str, remaining: float | None) -> None:
        """Raise InvalidRequestError when the call has no deadline or one beyond 30 seconds."""
        if method in self.bulk or method.startswith(OPEN_PREFIXES):
            return
        if remaining is None or remaining > DEADLINE_SECONDS + DEADLINE_TOLERANCE:
            raise InvalidRequestError("a deadline of at most 30 seconds is required", reason="DEADLINE_REQUIRED")

    def check_values(self, request: Message) -> None:
        """Raise InvalidRequestError naming each field whose value no database or calendar could hold."""
        violations = list(self._violations(request, ""))
        if violations:
            raise InvalidRequestError(f"{violations[0][0]}: {violations[0][2]}", violations=violations)

    def _violations(self, message: Message, prefix: str) -> Iterator[Violation]:
        for descriptor, value in message.ListFields():
            pointer = f"{prefix}{descriptor.name}"
            if descriptor.type == FieldDescriptor.TYPE_STRING:
                for text in value if descriptor.is_repeated else (value,):
                    yield from self._in_text(descriptor, text, pointer)
            elif descriptor.type == FieldDescriptor.TYPE_MESSAGE:
                yield from self._in_messages(descriptor, value, pointer)

    def _in_text(self, descriptor: FieldDescriptor, text: str, pointer: str) -> Iterator[Violation]:
        limit = self.text_limits.get(descriptor.full_name, MAX_TEXT)
        if "\x00" in text:
            yield pointer, "INVALID_CHARACTER", "contains a NUL character"
        elif len(text) > limit:
            yield pointer, "TOO_LONG", f"longer than {limit} characters"

    def _in_messages(self, descriptor: FieldDescriptor, value: Any, pointer: str) -> Iterator[Violation]:
        kind = descriptor.message_type
        if kind is not None and kind.GetOptions().map_entry:
            for key, item in value.items():
                if isinstance(key, str) and ("\x00" in key or len(key) > MAX_TEXT):
                    yield pointer, "INVALID_KEY", "a key is too long or contains a NUL character"
                elif isinstance(item, Message):
                    yield from self._in_message(item, f"{pointer}.{str(key)[:100]}")
                elif isinstance(item, str):
                    yield from self._in_text(descriptor, item, f"{pointer}.{str(key)[:100]}")
        elif descriptor.is_repeated:
            for index, item in enumerate(value):
                yield from self._in_message(item, f"{pointer}[{index}]")
        else:
            yield from self._in_message(value, pointer)

    def _in_message(self, message: Any, pointer: str) -> Iterator[Violation]:
        name = message.DESCRIPTOR.full_name
        if name == TIMESTAMP:
            if not (EARLIEST <= message.seconds < LATEST and 0 <= message.nanos < NANOS):
                yield pointer, "OUT_OF_RANGE", "must be an instant between the years 1900 and 9000"
        elif name == DURATION:
            if not (abs(message.seconds) <= MAX_DURATION and abs(message.nanos) < NANOS):
                yield pointer, "OUT_OF_RANGE", "must be a duration of at most a hundred years"
        else:
            yield from self._violations(message, f"{pointer}.")
