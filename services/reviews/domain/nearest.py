"""What somebody may have meant by a word that is not known."""

import difflib
from collections.abc import Iterable


def nearest(written: str, known: Iterable[str]) -> str:
    """The known word most like the written one, without regard to case, blanks and dashes; empty when none is near."""
    words = {word.lower(): word for word in known}
    near = difflib.get_close_matches(written.lower().replace(" ", "_").replace("-", "_"), words, n=1, cutoff=0.6)
    return words[near[0]] if near else ""
