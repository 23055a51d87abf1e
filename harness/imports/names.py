"""Names that a log gives to models, tasks and metrics, made safe where they are read.

Run ids, folders, tables and printed sentences are built from these names.
"""

from __future__ import annotations

from harness.core.secrets import hidden
from harness.core.text import pictured, repaired_text, unbroken


def safe_name(text: str) -> str:
    """A foreign name as one line without secrets: line breaks and tabs become spaces, other control characters
    become their pictures, halves of characters U+FFFD, and spaces at both ends are removed. The result may be empty; applying it again changes
    nothing.
    """
    if text.isprintable():
        return hidden(text.strip())
    return pictured(unbroken(hidden(repaired_text(text)))).strip()
