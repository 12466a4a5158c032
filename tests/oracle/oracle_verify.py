# SPDX-License-Identifier: Apache-2.0
"""The rules marked *verify* and *identity* of docs/format.md.

Part of oracle.py, under its terms: written from the document alone.
"""

import hashlib
import json
import math
import struct

from oracle_cover import verify_cover
from oracle_linear import verify_linear
from oracle_predict import (convert_row, inexact_slots, is_near, is_word, leaf_values,
                            predict_leaves, predict_slots, preorder, read_bits, read_cuts,
                            read_heap, read_nodes, read_select, stored_numbers)
from oracle_prepare import verify_preparation
from oracle_reader import check_checksum, list_gaps, section_bytes, without
from oracle_records import (BANK_WORD, BITS, BLOCK, CLASS_LABELS, CODE_COLUMN, CUTS, DTYPES,
                            ENTRY_BYTES, FEATURE_COLUMN, GOLDEN, HEADER_BYTES, HEAP, LEAF_COLUMN,
                            LEAVES, METADATA, PROOF, SEGMENT, SELECT, SET_COLUMN, STRING, WALK,
                            GoldenHead, LabelGroup, Proof, Refused, is_zero, level_blocks, require,
                            value_bytes)


def verify(model):
    """Every rule marked *verify* or *identity*."""
    verify_bytes(model)
    verify_strings(model)
    verify_leaves(model)
    verify_preparation(model)
    verify_cuts(model)
    for index in range(len(model.trees)):
        {WALK: verify_tree, HEAP: verify_heap, SELECT: verify_select,
         BITS: verify_bits}[model.part_of(index).layout](model, index)
    verify_linear(model, lambda part: [value for row in range(part.leaf_count)
                                       for value in leaf_values(model, part, row)])
    verify_metadata(model)
    verify_proof(model)
    verify_cover(model)
    verify_golden(model)


def blake2b(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def verify_bytes(model):
    data, entries = model.data, model.entries
    for start, end in list_gaps(entries, model.header):
        require(is_zero(data[start:end]), 39, f"padding at {start:#x} is not zero")
    for entry in entries:
        check_checksum(data, entry)
        require(blake2b(section_bytes(data, entry)) == entry.digest, 45,
                f"the digest of section {entry.type} differs")
    head = data[:HEADER_BYTES + ENTRY_BYTES * len(entries)]
    require(blake2b(without(head, (64, 32), (96, 8))) == model.header.root_digest, 25,
            "the root digest differs")


def require_utf8(data, rule, where):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(rule, f"{where} is not UTF-8") from error


def verify_strings(model):
    for index, name in enumerate(model.names or []):
        require_utf8(name, 142, f"feature name {index}")
    for feature, (strings, _, _) in model.categories.items():
        for index, text in enumerate(strings):
            require_utf8(text, 142, f"category {index} of feature {feature}")
    for group, labels in enumerate(model.labels):
        for index, label in enumerate(labels.values if labels.kind == STRING else []):
            require_utf8(label, 142, f"label {index} of group {group}")
    if not model.labels:
        return
    data = model.sections[CLASS_LABELS]
    end = 8 + LabelGroup.packing.size * len(model.labels)
    for group in LabelGroup.packing.iter_unpack(data[8:end]):
        group = LabelGroup(*group)
        start = end + -end % 8
        require(group.offset == start and is_zero(data[end:start]), 152,
                "the labels' data do not follow each other")
        end = group.offset + group.bytes
    require(end == len(data), 152, "the labels' data do not end CLASS_LABELS")


def verify_leaves(model):
    ends = [part.leaf_offset + value_bytes(part) * part.leaf_width * part.leaf_count
            for part in model.parts]
    require(max(ends) == len(model.sections[LEAVES]), 170, "LEAVES does not end with a leaf table")


def bits(values):
    return struct.pack(f"<{len(values)}d", *values)


def verify_cuts(model):
    end, seen = 0, set()
    for index, column in enumerate(model.columns):
        key = column.first_cut, column.cut_count
        if column.kind not in (CODE_COLUMN, SET_COLUMN) or column.segment or key in seen:
            continue
        seen.add(key)
        where = f"cuts of column {index}: "
        require(column.first_cut == end, 230, f"{where}do not follow the list before")
        end += BLOCK * sum(level_blocks(column.cut_count)) * model.cut_bytes()
        levels = read_cuts(model, column)
        cuts = levels[-1][:column.cut_count]
        require(all(left < right for left, right in zip(cuts, cuts[1:]))
                and not any(map(math.isnan, cuts)), 231, f"{where}do not ascend")
        used = column.cut_count
        for level in reversed(range(len(levels))):
            require(all(value == math.inf for value in levels[level][used:]), 233,
                    f"{where}level {level} is not filled up with infinity")
            used = len(levels[level]) // BLOCK
            if level:
                lasts = levels[level][BLOCK - 1::BLOCK]
                require(bits(levels[level - 1][:used]) == bits(lasts), 232,
                        f"{where}level {level - 1}")
    require(end == len(model.sections.get(CUTS, b"")), 230, "the lists do not end CUTS")


def require_cut(columns, column, threshold, rules, where):
    require(column < len(columns), rules[0], f"{where}column {column}")
    one = columns[column]
    width = SEGMENT[one.bank]
    require(threshold < width and one.segment * width + threshold < one.cut_count, rules[1],
            f"{where}threshold {threshold}")


def verify_heap(model, index):
    tree, part = model.trees[index], model.part_of(index)
    columns, thresholds = read_heap(model, index)
    where, inner = f"tree {index}: ", 2**tree.depth
    filler = [False] * (2 * inner)
    for node in range(1, inner):
        at = f"{where}node {node}: "
        filler[node] = thresholds[node] == SEGMENT[part.bank]
        if filler[node]:
            require(columns[node] == 0, 213, f"{at}column of a filler")
        else:
            require(node == 1 or not filler[node // 2], 213, f"{at}below a filler")
            require_cut(model.banks[part.bank], columns[node], thresholds[node], (210, 211), at)
    for array in (columns, thresholds):
        require(array[0] == 0 and not any(array[inner:]), 212, f"{where}entries of no node")
    numbers = stored_numbers(model, index) if model.record.number_bytes else None
    leaves = depth = 0
    firsts = []
    for node in range(1, 2 * inner):  # the tops of fillers, and leaves that no filler is above of
        if node > 1 and filler[node // 2]:
            if node < inner:
                filler[node] = True
            continue
        if node < inner and not filler[node]:
            continue
        level = node.bit_length() - 1
        leaves, depth = leaves + 1, max(depth, level)
        span = 2**(tree.depth - level)
        first = node * span - inner
        firsts.append(first)
        values = bits(leaf_values(model, part, tree.first_leaf + first))
        for leaf in range(first + 1, first + span):
            require(bits(leaf_values(model, part, tree.first_leaf + leaf)) == values, 213,
                    f"{where}leaf {leaf} is not as leaf {first}")
            require(not numbers or numbers[leaf] == numbers[first], 213,
                    f"{where}number of leaf {leaf}")
    require(max(depth, 1) == tree.depth, 225, f"{where}depth {depth}")
    require(2 * leaves - 1 == tree.source_node_count, 226, f"{where}{leaves} leaves")
    require(not numbers or len({numbers[first] for first in firsts}) == leaves, 176,
            f"{where}leaf numbers")


def verify_select(model, index):
    tree, part = model.trees[index], model.part_of(index)
    nodes, where = read_select(model, index), f"tree {index}: "
    inner = tree.leaf_count - 1
    root = 256 - inner
    depths = {root: 0}
    for number, (column, threshold, left, right) in enumerate(nodes[:inner]):
        at, place = f"{where}node {number}: ", root + number
        require_cut(model.banks[part.bank], column, threshold, (220, 221), at)
        for field in (left, right):
            child = place + 1 + field
            require(child < 256 + tree.leaf_count, 222, f"{at}leads to place {child}")
            # Parents come first: a place that none has led to so far will not be a child.
            require(child not in depths and place in depths, 223, f"{at}place {child}")
            depths[child] = depths[place] + 1
    require(not any(map(any, nodes[inner:])), 224, f"{where}nodes that fill up")
    require(len(depths) == tree.source_node_count, 223, f"{where}{len(depths)} places")
    require(max(depths.values()) == tree.depth, 225, f"{where}depth {max(depths.values())}")
    verify_leaf_numbers(model, index)


def verify_leaf_numbers(model, index):
    """Of a tree without leaves that repeat another."""
    if model.record.number_bytes:
        numbers = stored_numbers(model, index)
        require(len(set(numbers)) == len(numbers), 176, f"tree {index}: leaf numbers")


def verify_bits(model, index):
    tree, part = model.trees[index], model.part_of(index)
    columns, thresholds, words = read_bits(model, index)
    where, inner = f"tree {index}: ", tree.leaf_count - 1
    spans, depth = [(0, tree.leaf_count, 0)], 0  # (first leaf, leaves, level), the next one last
    node = 0
    while spans:
        first, count, level = spans.pop()
        depth = max(depth, level)
        if count == 1:
            continue
        at = f"{where}node {node}: "
        require_cut(model.banks[part.bank], columns[node], thresholds[node], (214, 215), at)
        left = bin(words[node]).count("1")
        require(1 <= left < count and words[node] == (2**left - 1) << first, 216,
                f"{at}word {words[node]:#x}")
        spans += ((first + left, count - left, level + 1), (first, left, level + 1))
        node += 1
    require(not any(words[inner:]), 216, f"{where}words of nodes that fill up")
    require(not any(columns[inner:]) and all(one == 255 for one in thresholds[inner:]), 217,
            f"{where}nodes that fill up")
    require(depth == tree.depth, 225, f"{where}depth {depth}")
    verify_leaf_numbers(model, index)


def verify_tree(model, index):
    part = model.part_of(index)
    nodes = read_nodes(model, index)
    parents = [0] * len(nodes)
    for position, node in enumerate(nodes):
        where = f"tree {index}, position {position}: "
        require(node.reserved == 0 and node.child < 2**part.child_bits, 166, f"{where}wide node")
        require(node.column < len(model.banks[BANK_WORD]), 160, f"{where}column {node.column}")
        column = model.banks[BANK_WORD][node.column]
        if column.kind == LEAF_COLUMN:
            require(node.column == 0 and node.child == position
                    and node.threshold < part.leaf_count, 161, f"{where}leaf")
            continue
        limit = 2**32 - 1 - node.threshold
        is_set = column.kind == SET_COLUMN
        require(not is_set or 2**31 <= node.threshold < 2**31 + 32, 303, f"{where}bit of a SET")
        require(node.child % 2 == 0 and position < node.child < len(nodes) - 1
                and (column.kind != FEATURE_COLUMN or is_word(limit)), 162, f"{where}node")
        if column.kind == CODE_COLUMN:
            require(limit < column.cut_count, 168, f"{where}threshold of a CODE")
        for child in (node.child, node.child + 1):
            parents[child] += 1
            require(parents[child] == 1, 163, f"{where}child {child} has two parents")
    verify_shape(model, index, nodes)


def verify_shape(model, index, nodes):
    tree, where = model.trees[index], f"tree {index}: "
    depths = {0: 0}
    for position in preorder(nodes):
        node = nodes[position]
        if node.column != 0:
            depths[node.child] = depths[node.child + 1] = depths[position] + 1
    require(len(depths) == tree.source_node_count, 163, f"{where}{len(depths)} nodes reached")
    # Of an inner node some leaf is further from the root, so the largest depth is a leaf's.
    require(max(depths.values()) == tree.depth, 164, f"{where}depth {max(depths.values())}")
    fillers = [position for position in range(len(nodes)) if position not in depths]
    for position in fillers:
        node = nodes[position]
        require(node.column == 0 and node.threshold == 0, 165,
                f"{where}filler at position {position}")
    require(1 in fillers, 165, f"{where}position 1 is no filler")
    if model.record.number_bytes:
        numbers = stored_numbers(model, index)
        leaves = [numbers[position] for position in depths if nodes[position].column == 0]
        require(len(set(leaves)) == len(leaves), 176, f"{where}leaf numbers")
        require(all(numbers[position] == 0 for position in fillers), 176,
                f"{where}number of a filler")


def refuse_constant(text):
    raise ValueError(text)


def verify_metadata(model):
    if METADATA not in model.sections:
        return
    data = model.sections[METADATA]
    text = require_utf8(data, 185, "METADATA")
    require(b"\0" not in data and not text.startswith("\ufeff"), 185,
            "METADATA has NUL or a byte-order mark")
    try:
        value = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(185, f"METADATA is not JSON: {error}") from error
    require(isinstance(value, dict), 185, "METADATA is not a JSON object")


def verify_proof(model):
    if PROOF not in model.sections:
        return
    data = model.sections[PROOF]
    require(len(data) == Proof.packing.size, 48, "PROOF is not one record")
    proof = Proof(*Proof.packing.unpack(data))
    require(proof.check_kind in (0, *DTYPES) and proof.check_cause <= 2
            and proof.check_differing <= proof.check_values, 190, "PROOF contradicts itself")
    if proof.check_rows == 0:
        fields = [value for name, value in zip(proof._fields, proof) if name.startswith("check")]
        require(not any(fields), 190, "PROOF speaks of a check without rows")


def verify_golden(model):
    if GOLDEN not in model.sections:
        return
    data, size = model.sections[GOLDEN], GoldenHead.packing.size
    require(len(data) >= size, 180, "GOLDEN is too short for its head")
    head = GoldenHead(*GoldenHead.packing.unpack_from(data))
    slots_start = size + 8 * head.row_count * head.feature_count
    leaves_start = slots_start + 8 * head.row_count * head.slot_count
    require(head.row_count >= 1 and head.feature_count == model.record.feature_count
            and head.slot_count == model.record.slot_count and head.tree_count == len(model.trees)
            and leaves_start + 4 * head.row_count * head.tree_count == len(data), 180,
            "GOLDEN's counts")
    work = model.record.visits_per_row + sum(
        part.leaf_width * part.tree_count for part in model.parts) + sum(
            stage.slot_count for stage in model.stages)
    inexact = inexact_slots(model)
    require(head.row_count * work <= 2**32, 182, "GOLDEN asks for too much work")
    for row in range(head.row_count):
        features = struct.unpack_from(f"<{head.feature_count}d", data,
                                      size + 8 * row * head.feature_count)
        features = convert_row(model, features)
        slots = predict_slots(model, features)
        start = slots_start + 8 * row * head.slot_count
        for slot, found in enumerate(slots):
            stored = struct.unpack_from("<d", data, start + 8 * slot)[0]
            require(struct.pack("<d", found) == struct.pack("<d", stored) or (
                slot in inexact and is_near(model, inexact[slot], slots, found, stored)), 181,
                    f"slot {slot} of golden row {row}")
        found = predict_leaves(model, features, 0, len(model.trees))
        stored = struct.unpack_from(f"<{head.tree_count}I", data,
                                    leaves_start + 4 * row * head.tree_count)
        require(list(stored) == found, 181, f"leaf numbers of golden row {row}")
