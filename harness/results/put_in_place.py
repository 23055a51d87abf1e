"""A run that was written apart is put in place whole, whatever other commands do in its place meanwhile."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


def put_in_place(draft: Path, folder: Path, *, is_there: Callable[[], bool]) -> None:
    """Rename a draft to its folder, unless another command has put the same there.

    Anything else that is there is moved beside the draft, which its owner removes: so nobody meets half of a folder.

    Args:
        is_there: whether what the draft holds is in the folder; asked again after each failure.
    """
    for number in itertools.count():
        if is_there():
            return
        try:
            draft.rename(folder)
            return
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        with suppress(FileNotFoundError):  # another command was faster
            folder.rename(draft.with_name(f"{draft.name}-before-{number}"))
