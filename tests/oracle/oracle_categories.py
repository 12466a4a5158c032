# SPDX-License-Identifier: Apache-2.0
"""Strings that are numbered: the section CATEGORIES of docs/format.md.

Part of oracle.py, under its terms: written from the document alone.
"""

import math
import struct

from oracle_records import CATEGORIES, CategoryList, read_strings, require


def read_categories(model):
    """By feature: the strings as bytes, the number of unknown ones, whether these are
    refused."""
    data = model.sections.get(CATEGORIES)
    if data is None:
        return {}
    require(len(data) >= 8, 440, "CATEGORIES is too short for its head")
    list_count, string_count = struct.unpack_from("<2I", data)
    order_at = 8 + CategoryList.packing.size * list_count
    table_at = order_at + 4 * string_count
    require(list_count >= 1 and table_at <= len(data), 440, "CATEGORIES has another size")
    require(string_count <= 2**24, 445, f"{string_count} categories")
    lists = [CategoryList(*fields) for fields in
             CategoryList.packing.iter_unpack(data[8:order_at])]
    order = struct.unpack(f"<{string_count}I", data[order_at:table_at])
    strings = read_strings(data[table_at:], "CATEGORIES")
    require(len(strings) == string_count, 440, f"{len(strings)} strings")
    categories, feature, end = {}, -1, 0
    for one in lists:
        require(feature < one.feature < model.record.feature_count, 441, f"{one.feature}")
        require(one.flags in (0, 1), 443, f"flags {one.flags}")
        require(one.count >= 1 and one.first == end and end + one.count <= string_count, 442,
                f"strings of feature {one.feature}")
        feature, end = one.feature, end + one.count
        own, places = strings[one.first:end], order[one.first:end]
        require(max(places) < one.count, 444, f"order of feature {feature}")
        ordered = [own[place] for place in places]
        require(all(a < b for a, b in zip(ordered, ordered[1:])), 444,
                f"feature {feature} is not sorted")
        categories[feature] = own, one.unknown, one.flags == 1
    require(end == string_count, 442, "strings of no feature")
    return categories


def number_of(model, feature, text):
    """[F-446], [F-447]: what a string, as bytes, or None is in a row."""
    if text is None:
        return math.nan
    strings, unknown, refuses = model.categories[feature]
    require(text in strings or not refuses, 447, f"{text} is no category")
    return float(strings.index(text)) if text in strings else unknown
