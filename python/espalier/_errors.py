# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as exceptions. The extension modules call `build`; no class is hidden in C."""
from __future__ import annotations


class Error(Exception):
    """A call of Espalier that failed.

    The text is the C library's message: it names the file, the place and the cause.

    Attributes:
        status: the C library's number of the cause, as in espalier.h.
        name: the same as its name, "ESPALIER_ERROR_TRUNCATED".
        offset: bytes from the file's start, or None.
        rule: n of rule [F-n] in docs/format.md that a model file breaks, or None.
        row, feature: of a row that was refused, counted from 0, or None.
    """

    status = 0
    name = ""
    offset: int | None = None
    rule: int | None = None
    row: int | None = None
    feature: int | None = None


class InputError(Error, ValueError):
    """Rows, an option or an output that the model does not take."""


class FormatError(Error, ValueError):
    """A model file that is damaged, too new, or none."""


class ConvertError(Error, ValueError):
    """A source that cannot become a model, or one whose answers differ."""


class FileError(Error, OSError):
    """The system refused to open, read, map or write; `errno` says why."""


class MissingFileError(FileError, FileNotFoundError):
    """There is no such file."""


class LimitError(Error):
    """A limit that keeps hostile or huge files from taking the machine."""


class OutOfMemoryError(Error, MemoryError):
    """Not enough memory."""


# The first status of each group in espalier.h, last first.
_GROUPS = ((80, ConvertError), (70, OutOfMemoryError), (60, LimitError), (40, FormatError),
           (30, InputError), (20, FileError), (0, InputError))
_NO_ENTRY = 2  # ENOENT


def build(status: int, name: str, message: str, errno: int = 0, offset: int | None = None,
          rule: int | None = None, row: int | None = None, feature: int | None = None) -> Error:
    """The exception of a status, with everything that is known of the cause."""
    kind = next(kind for first, kind in _GROUPS if status >= first)
    if kind is FileError and errno == _NO_ENTRY:
        kind = MissingFileError
    error = kind(message)
    if isinstance(error, OSError):
        error.errno = errno
    error.status = status
    error.name = name
    error.offset = offset
    error.rule = rule
    error.row = row
    error.feature = feature
    return error


def refuse_features(message: str) -> Error:
    """Rows whose features are not the model's."""
    return build(13, "ESPALIER_ERROR_FEATURE_COUNT", message)
