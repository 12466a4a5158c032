# SPDX-License-Identifier: Apache-2.0
"""Leaves that are lines: chapter 15.9 and the stages VALUES and LINEAR of docs/format.md.

Part of oracle.py, under its terms: written from the document alone.
"""

import math
import struct

from oracle_records import DIVISOR_NONE, LINEAR, LINEAR_SUM, SUM64, require

LEAF, TERM = struct.Struct("<2d2I"), struct.Struct("<d2I")


def read_leaf(model, index):
    return LEAF.unpack_from(model.sections[LINEAR], LEAF.size * index)


def read_term(model, index):
    return TERM.unpack_from(model.sections[LINEAR],
                            LEAF.size * model.linear_leaves + TERM.size * index)


def check_linear(model, visits_max):
    """[F-461] to [F-463]; linear_parts, and where the leaf records of a tree begin."""
    model.linear_parts, model.linear_first, work = set(), {}, 0
    for index, stage in enumerate(model.stages):
        if stage.operation != LINEAR_SUM or stage.table + 3 > len(model.constants):
            continue  # what constants there are: [F-104]
        part, step, first = model.constants[stage.table:stage.table + 3]
        require(all(one == one and abs(one) < math.inf and one == math.floor(one)
                    for one in (part, step, first)) and 0 <= part < len(model.parts)
                and 1 <= step <= 2**24 and 0 <= first < step, 461, f"stage {index}: constants")
        named = model.parts[int(part)]
        trees = model.trees[named.first_tree:named.first_tree + named.tree_count]
        require(named.accumulator == SUM64 and named.leaf_width == 1
                and named.slot_count == named.tree_count and named.start == 0
                and named.divisor == DIVISOR_NONE
                and [tree.slot for tree in trees] == list(range(len(trees))), 461,
                f"stage {index}: a part that is not linear")
        model.linear_parts.add(int(part))
        work += max(1, -(-(len(trees) - int(first)) // int(step))) * (stage.slot_count + 1)
    require(work <= 64 * visits_max, 462, "linear leaves ask for too much work")
    used = any(stage.operation == LINEAR_SUM for stage in model.stages)
    require(used == (LINEAR in model.sections), 47, "LINEAR and the stages' use of it")
    count = 0
    for part in map(model.parts.__getitem__, sorted(model.linear_parts)):
        for index in range(part.first_tree, part.first_tree + part.tree_count):
            model.linear_first[index] = count
            count += (model.trees[index].source_node_count + 1) // 2
    left = len(model.sections.get(LINEAR, b"")) - 24 * count
    require(left >= 0 and left % 16 == 0 and left // 16 < 2**32, 463, "the size of LINEAR")
    model.linear_leaves, model.linear_terms = count, left // 16


def leaf_count(tree):
    return (tree.source_node_count + 1) // 2


def answer_of(model, index, values):
    """[F-464], [F-465]"""
    constant, missing_value, first, count = read_leaf(model, index)
    first = min(first, model.linear_terms)
    count = min(count, len(values), model.linear_terms - first)
    total = constant
    for term in range(first, first + count):
        coefficient, place, _ = read_term(model, term)
        value = values[min(place, len(values) - 1)]
        if math.isnan(value):
            return missing_value
        total += coefficient * value
    return total


def sum_leaves(model, stage, slots, first, count):
    """What a stage LINEAR writes, of iterations [first, first + count)."""
    index, step, start = map(int, model.constants[stage.table:stage.table + 3])
    part, total = model.parts[index], 0.0
    values = slots[stage.input_slot:stage.input_slot + stage.slot_count]
    for number in range(start, part.tree_count, step):
        tree = model.trees[part.first_tree + number]
        if not first <= tree.iteration < first + count:
            continue
        leaf = slots[part.first_slot + number]
        leaf = int(leaf) if 0 <= leaf < leaf_count(tree) else 0
        total += answer_of(model, model.linear_first[part.first_tree + number] + leaf, values)
    return total


def verify_linear(model, read_values):
    """[F-466], [F-467]; read_values(part): all values of its leaf table."""
    after = leaf = 0
    for number in sorted(model.linear_parts):
        part = model.parts[number]
        trees = model.trees[part.first_tree:part.first_tree + part.tree_count]
        most = max(map(leaf_count, trees))
        require(all(0 <= value < most and value == math.floor(value)
                    for value in read_values(part)), 467, f"part {number}: leaf numbers")
        places = min(stage.slot_count for stage in model.stages
                     if stage.operation == LINEAR_SUM
                     and int(model.constants[stage.table]) == number)
        for leaf in range(leaf, leaf + sum(map(leaf_count, trees))):
            _, _, first, count = read_leaf(model, leaf)
            require(first == after and count <= places and first + count <= model.linear_terms,
                    466, f"linear leaf {leaf}: terms")
            for term in range(first, first + count):
                _, place, reserved = read_term(model, term)
                require(place < places and reserved == 0, 466, f"linear leaf {leaf}: a term")
            after += count
        leaf += 1
    require(after == model.linear_terms, 466, "terms of no leaf")
