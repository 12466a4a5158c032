# SPDX-License-Identifier: Apache-2.0
"""What a model leans on: chapter 16.4 of docs/format.md.

Part of oracle.py, under its terms: written from the document alone.
"""

import math
import struct

from oracle_records import COVER, LEAF_COLUMN, require

HEAD = struct.Struct("<2I")
ROWS, WEIGHTS, HESSIANS = 1, 2, 3


def values_of(model):
    """The values that columns hold, ascending."""
    return sorted({column.feature for column in model.columns if column.kind != LEAF_COLUMN})


def read_covers(model):
    """The unit, and the cover of each value that has one; None without the section."""
    if COVER not in model.sections:
        return None
    data = model.sections[COVER]
    covers = struct.unpack_from(f"<{len(values_of(model))}d", data, HEAD.size)
    return HEAD.unpack_from(data)[0], dict(zip(values_of(model), covers))


def verify_cover(model):
    """[F-510] to [F-512]"""
    if COVER not in model.sections:
        return
    size = HEAD.size + 8 * len(values_of(model))
    require(len(model.sections[COVER]) == size, 510, "COVER has another size")
    unit, reserved = HEAD.unpack_from(model.sections[COVER])
    require(unit in (ROWS, WEIGHTS, HESSIANS) and reserved == 0, 511, f"COVER: unit {unit}")
    covers = read_covers(model)[1]
    require(all(map(math.isfinite, covers.values())), 512, "a cover is not finite")
