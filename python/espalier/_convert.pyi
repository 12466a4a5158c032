# SPDX-License-Identifier: Apache-2.0
# Types of the extension module that converts.
from os import PathLike
from typing import Any

def convert(
    path: str | PathLike[str],
    source: str | PathLike[str],
    bytes: Any | None,
    select: str | None,
    meta: tuple[tuple[str, str], ...],
    model_version: str | None,
    flags: int,
    memory_bytes_max: int,
    expanded_bytes_max: int,
    layout: int,
    missing: float | None,
    categorical: str | None,
    check: tuple[Any, bytes, str, int, int, int] | None,
    /,
) -> dict[str, Any]: ...
