"""Members of a zip archive from a stranger: bounded in number and size, with zstd among the compression
methods.

`zipfile` reads zstd (method 93) from Python 3.14 on; before, pyarrow's codec does.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from harness.core.errors import ConfigError

ZSTD = 93
MOST_MEMBERS = 5_000_000
MOST_BYTES = 1 << 29
"""Largest size of one member, unpacked."""
_LOCAL_HEADER = 30
"""Bytes of a member's own header before its name; it ends with the lengths of the name and of the extra
field."""


class Archive:
    """An open zip file; members are read one at a time."""

    def __init__(self, file: Path, stream: IO[bytes], members: zipfile.ZipFile) -> None:
        self._file, self._stream, self._zip = file, stream, members
        self._members = {info.filename: info for info in members.infolist()}

    @property
    def names(self) -> list[str]:
        """The members in the archive's order; one that was written again appears once."""
        return list(self._members)

    def read(self, name: str) -> bytes:
        """A member, unpacked.

        Raises:
            ConfigError: too large, cut off, damaged, encrypted, or compressed with an unknown method.
        """
        info = self._members[name]
        if info.file_size > MOST_BYTES:
            raise ConfigError(
                f"{name} unpacks to {info.file_size:,} bytes, more than is read", file=self._file
            )
        if info.flag_bits & 1:
            raise ConfigError(f"{name} is encrypted", file=self._file)
        try:
            raw = self._zstd(info) if info.compress_type == ZSTD else self._zip.read(info)
        except (
            OSError,
            ValueError,
            EOFError,
            NotImplementedError,
            struct.error,
            zlib.error,
            zipfile.BadZipFile,
        ) as e:
            raise _damaged(self._file, f"{name} is damaged ({e})") from None
        if zlib.crc32(raw) != info.CRC:
            raise _damaged(self._file, f"{name} is damaged (its checksum is wrong)")
        return raw

    def _zstd(self, info: zipfile.ZipInfo) -> bytes:
        import pyarrow

        self._stream.seek(info.header_offset)
        header = self._stream.read(_LOCAL_HEADER)
        name_length, extra_length = struct.unpack("<HH", header[-4:])
        self._stream.seek(name_length + extra_length, 1)
        packed = self._stream.read(info.compress_size)
        if len(packed) < info.compress_size:
            raise EOFError("cut off")
        return bytes(pyarrow.decompress(packed, decompressed_size=info.file_size, codec="zstd", asbytes=True))


@contextmanager
def opened(file: Path) -> Iterator[Archive]:
    """The archive in a file.

    Raises:
        ConfigError: missing, not a zip archive, cut off, or with too many members.
    """
    try:
        with file.open("rb") as stream, zipfile.ZipFile(stream) as members:
            if len(members.infolist()) > MOST_MEMBERS:
                raise ConfigError(f"more than {MOST_MEMBERS:,} members", file=file)
            yield Archive(file, stream, members)
    except zipfile.BadZipFile:
        raise _damaged(file, "the archive is cut off or damaged") from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=file) from None


def _damaged(file: Path, what: str) -> ConfigError:
    return ConfigError(what, file=file, remedy="copy the file again; nothing was imported from it")
