# SPDX-License-Identifier: Apache-2.0
"""The rules marked *verify* and *identity* of docs/format.md.

Part of oracle.py, under its terms: written from the document alone.
"""

import hashlib
import json
import math
import struct

from oracle_predict import (convert_row, float_of_bits, predict_leaves, predict_slots, preorder,
                            read_nodes, stored_numbers)
from oracle_reader import (CLASS_LABELS, DTYPE, ENTRY_BYTES, GOLDEN, HEADER_BYTES, LEAF_BASE,
                           LEAVES, METADATA, PROOF, STRING, GoldenHead, LabelGroup, Proof, Refused,
                           check_checksum, is_zero, list_gaps, require, section_bytes, without)


def verify(model):
    """Every rule marked *verify* or *identity*."""
    verify_bytes(model)
    verify_strings(model)
    verify_leaves(model)
    for index in range(len(model.trees)):
        verify_tree(model, index)
    verify_metadata(model)
    verify_proof(model)
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
    ends = [part.leaf_offset + 8 * part.leaf_width * part.leaf_count for part in model.parts]
    require(max(ends) == len(model.sections[LEAVES]), 170, "LEAVES does not end with a leaf table")


def verify_tree(model, index):
    tree, part = model.trees[index], model.part_of(index)
    nodes = read_nodes(model, index)
    parents = [0] * len(nodes)
    for position, node in enumerate(nodes):
        where = f"tree {index}, position {position}: "
        require(node.reserved == 0 and node.child < 2**part.child_bits, 166, f"{where}wide node")
        require(node.column < len(model.columns), 160, f"{where}column {node.column}")
        if node.column == 0:
            row = node.threshold - LEAF_BASE
            require(node.child == position and 0 <= row < part.leaf_count, 161, f"{where}leaf")
            continue
        require(node.child % 2 == 0 and position < node.child < len(nodes) - 1
                and not math.isnan(float_of_bits(node.threshold)), 162, f"{where}node")
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
        require(node.column == 0 and node.threshold == LEAF_BASE, 165,
                f"{where}filler at position {position}")
    require(1 in fillers, 165, f"{where}position 1 is no filler")
    if model.record.number_bytes:
        numbers = stored_numbers(model, index)
        reached = sorted(numbers[position] for position in depths)
        require(reached == list(range(tree.source_node_count)), 176, f"{where}node numbers")
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
    require(proof.check_kind in (0, *DTYPE) and proof.check_cause <= 2
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
    for row in range(head.row_count):
        features = struct.unpack_from(f"<{head.feature_count}d", data,
                                      size + 8 * row * head.feature_count)
        features = convert_row(model, features)
        slots = struct.pack(f"<{head.slot_count}d", *predict_slots(model, features))
        start = slots_start + 8 * row * head.slot_count
        require(slots == data[start:start + len(slots)], 181, f"slots of golden row {row}")
        found = predict_leaves(model, features, 0, len(model.trees))
        stored = struct.unpack_from(f"<{head.tree_count}I", data,
                                    leaves_start + 4 * row * head.tree_count)
        require(list(stored) == found, 181, f"leaf numbers of golden row {row}")
