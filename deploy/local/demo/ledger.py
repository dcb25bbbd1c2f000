"""What the crowd asked for and what it was told: the other half of the proof that nothing acknowledged was lost."""

import json
import uuid
from pathlib import Path
from typing import Any


class Ledger:
    """An append-only file of what was invoked, acknowledged and refused; one JSON object a line."""

    def __init__(self, path: Path | None = None) -> None:
        self._file = path.open("a", encoding="utf-8") if path else None

    def invoke(self, action: str, subject: str) -> str:
        """Note that something is asked for; return the key under which it is sent, however often."""
        key = str(uuid.uuid4())
        self._note({"event": "invoke", "key": key, "action": action, "subject": subject})
        return key

    def ok(self, key: str, facts: dict[str, Any]) -> None:
        """Note that it was acknowledged."""
        self._note({"event": "ok", "key": key, **facts})

    def fail(self, key: str, code: str) -> None:
        """Note that it was refused."""
        self._note({"event": "fail", "key": key, "code": code})

    def close(self) -> None:
        """Nothing more is noted."""
        if self._file:
            self._file.close()
            self._file = None

    def _note(self, line: dict[str, Any]) -> None:
        if self._file:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
