# SPDX-License-Identifier: Apache-2.0
"""Nodes, leaves and prediction: chapters 15 and 18 of docs/format.md.

Part of oracle.py, under its terms: written from the document alone. Plain float arithmetic of
Python, which is binary64 rounded once per operation. Files need not be verified: every index that
NODES give is bounded.
"""

import itertools
import math
import struct

from oracle_linear import sum_leaves
from oracle_prepare import check_prepared, numpy_exp, numpy_log, prepare_row
from oracle_records import (ABOVE_HALF, ABOVE_ZERO, ADD, ADD_SLOTS, ARITHMETIC32, ARITHMETIC64,
                            AS_ZERO, AT_LEAST_ZERO, BANK_BYTE, BANK_WORD, BITS, BITS_NODES, BLOCK,
                            BOOL, CHOOSE, CLAMP, CLASS, CODE_COLUMN, CUTS, CUT_ONE, DIVIDE,
                            DIVIDE_ITERATIONS, DIVISOR_CONSTANTS, DIVISOR_ITERATIONS, EXP, EXP2,
                            EXPECTILES, EXPIT, EXPM1, FLOAT32, FLUSHED_VALUES, FLUSH_TINY, HEAP,
                            INDEX, INFINITE_ALLOWED, ISOTONIC, ISOTONIC_SHARES, LAST_MAXIMUM, LEAF,
                            LEAF_COLUMN, LEAVES, LEFT, LINEAR_SUM, LOG, LOG1P, LOG1P_EXP, LOGIT,
                            LOG_CENTRED, LOG_ODDS, MISSING_ALLOWED, MISSING_NUMBER, MULTIPLY,
                            NEGATIVE_POWER, NODES, NODE_NUMBERS, NORMALISE, NORMALISE_EVEN,
                            NUMBER_CODES, NUMPY_EXP, OF_EXP, OF_EXPM1, OF_LOG, OF_LOG1P, OF_ROW,
                            PICK, PRODUCTS, RANGE_DEFAULT, ROUND, SEGMENT, SELECT, SEQUENTIAL, SETS,
                            SET_COLUMN, SIGMOID, SIGNED_SQUARE, SOFTMAX, SOFTMAX_LOG, SORT, SPREAD,
                            SQRT, SQUARE, STAGE_CONSTANTS, START_SLOTS, STEP, STEP_STAGES,
                            STEP_TREES, STRING, SUM32, TWO_CLASSES, WALK, WEIGHTED_MEDIAN,
                            WITH_CONSTANTS, ZERO_LEFT, ZERO_RIGHT, Node, Part, level_blocks,
                            require, round_to_float32, stage_constants, stage_inputs, stage_outputs,
                            stage_reads, value_bytes)

TINY = struct.unpack("<f", struct.pack("<I", 0x0554AD2E))[0]  # T of [F-254]


# --- Nodes and leaves (chapter 15) ----------------------------------------------------------------

def word_of(value):
    """word(x) of chapter 2; `value` is an f32."""
    bits = struct.unpack("<I", struct.pack("<f", value + 0.0))[0]  # -0.0 + 0.0 is 0.0
    if math.isnan(value):
        return 2**32 - 1
    return 2**32 - 1 - bits if bits >> 31 else bits + 2**31


def is_word(number):
    """Whether some f32 that is no NaN has this word."""
    bits = number - 2**31 if number >> 31 else 2**32 - 1 - number
    return word_of(struct.unpack("<f", struct.pack("<I", bits))[0]) == number < 2**32 - 1


def read_nodes(model, index):
    """The nodes of a tree as they are stored."""
    tree, part = model.trees[index], model.part_of(index)
    start = tree.first_node * part.node_bytes
    data = model.sections[NODES][start:start + tree.node_count * part.node_bytes]
    if part.node_bytes == 16:
        return [Node(*fields) for fields in struct.iter_unpack("<4I", data)]
    mask = 2**part.child_bits - 1
    return [Node(threshold, word & mask, word >> part.child_bits, 0)
            for threshold, word in struct.iter_unpack("<2I", data)]


def read_heap(model, index):
    """(columns, thresholds) of a HEAP tree's node_count entries."""
    tree, part = model.trees[index], model.part_of(index)
    code = "B" if part.bank == BANK_BYTE else "H"
    values = struct.unpack_from(f"<{2 * tree.node_count}{code}", model.sections[NODES],
                                tree.first_node * part.node_bytes)
    return values[:tree.node_count], values[tree.node_count:]


def read_select(model, index):
    """(column, threshold, left, right) of all nodes of a SELECT tree."""
    tree = model.trees[index]
    data = model.sections[NODES][8 * tree.first_node:8 * (tree.first_node + tree.node_count)]
    return list(struct.iter_unpack("<4H", data))


def read_bits(model, index):
    """(columns, thresholds, words) of a BITS tree, node by node (15.4)."""
    data = model.sections[NODES]
    start = model.trees[index].first_node * model.part_of(index).node_bytes
    columns, thresholds = data[start:start + 32], data[start + 32:start + 64]
    stored = struct.unpack_from("<32I", data, start + 64)
    return columns, thresholds, [stored[place_of_word(node)] for node in range(BITS_NODES)]


def place_of_word(node):
    """Which of a BITS tree's words is that of a node."""
    return 8 * (node % 4) + node // 4


def stored_numbers(model, index):
    before = sum(map(model.numbers_of, range(index)))
    width = model.record.number_bytes
    return struct.unpack_from(f"<{model.numbers_of(index)}{NUMBER_CODES[width]}",
                              model.sections[NODE_NUMBERS], before * width)


def preorder(nodes):
    """Positions from the root on: a node, all of its left subtree, all of its right one."""
    order, stack, seen = [], [0], set()
    while stack:  # a damaged tree may lead back: every position is taken once
        position = stack.pop()
        if position >= len(nodes) or position in seen:
            continue
        seen.add(position)
        order.append(position)
        node = nodes[position]
        if node.column != 0:
            stack += (node.child + 1, node.child)
    return order


def node_numbers(model, index, nodes):
    """The trainer's number of every position (15.3)."""
    if model.record.number_bytes:
        return stored_numbers(model, index)
    numbers = [0] * len(nodes)
    for number, position in enumerate(preorder(nodes)):
        numbers[position] = number
    return numbers


class WalkTree:
    """A tree ready for prediction, with every index bounded ([F-167], [F-171])."""

    def __init__(self, model, index):
        tree, self.part = model.trees[index], model.part_of(index)
        nodes = read_nodes(model, index)
        self.numbers = node_numbers(model, index, nodes)
        last, column_last = len(nodes) - 1, len(model.banks[BANK_WORD]) - 1
        mask = 2**self.part.child_bits - 1
        self.depth = tree.depth
        self.slot = tree.slot
        self.iteration = tree.iteration
        self.limits = [2**32 - 1 - node.threshold for node in nodes]
        self.shifts = [node.threshold % 32 for node in nodes]
        self.left = [min(node.child & mask, last) for node in nodes]
        self.right = [min((node.child + 1) & mask, last) for node in nodes]
        self.columns = [min(node.column, column_last) for node in nodes]
        kinds = [column.kind for column in model.banks[BANK_WORD]]
        self.is_set = [kinds[column] == SET_COLUMN for column in self.columns]
        row_last = self.part.leaf_count - 1
        self.rows = [min(node.threshold, row_last) for node in nodes]

    def walk(self, columns):
        """(row of the leaf table, number) where a row ends."""
        columns, position = columns[BANK_WORD], 0
        for _ in range(self.depth):
            value = columns[self.columns[position]]
            if self.is_set[position]:
                value = (value << self.shifts[position]) % 2**32
            if value <= self.limits[position]:
                position = self.left[position]
            else:
                position = self.right[position]
        return self.rows[position], self.numbers[position]


class MaskTree:
    """A HEAP, SELECT or BITS tree; columns and leaves are bounded ([F-227])."""

    def __init__(self, model, index):
        tree, self.part = model.trees[index], model.part_of(index)
        self.tree = tree
        self.slot = tree.slot
        self.iteration = tree.iteration
        count = tree.leaf_count
        self.numbers = (stored_numbers(model, index) if model.record.number_bytes
                        else range(count))
        self.column_last = max(len(model.banks[self.part.bank]), 1) - 1
        read, self.find = {HEAP: (read_heap, self.find_heap),
                           SELECT: (read_select, self.find_select),
                           BITS: (read_bits, self.find_bits)}[self.part.layout]
        self.nodes = read(model, index)

    def find_heap(self, codes):
        columns, thresholds = self.nodes
        node = 1
        for _ in range(self.tree.depth):
            code = codes[min(columns[node], self.column_last)]
            node = 2 * node + (code > thresholds[node])
        return node - 2**self.tree.depth

    def find_select(self, codes):
        first = place = 256 - (self.tree.leaf_count - 1)
        while place < 256:
            column, threshold, left, right = self.nodes[place - first]
            goes_right = codes[min(column, self.column_last)] > threshold
            place += 1 + (right if goes_right else left) % 1024
        return place - 256 if place < 512 else 0

    def find_bits(self, codes):
        cleared = 0
        for column, threshold, word in zip(*self.nodes):
            if codes[min(column, self.column_last)] > threshold:
                cleared |= word
        return next((leaf for leaf in range(31) if not cleared >> leaf & 1), 31)

    def walk(self, columns):
        codes = columns[self.part.bank] or [0]  # fillers need no columns
        leaf = self.find(codes)
        return self.tree.first_leaf + leaf, self.numbers[min(leaf, len(self.numbers) - 1)]


def walk_tree(model, index):
    if index not in model.tree_cache:
        layout = model.part_of(index).layout
        model.tree_cache[index] = (WalkTree if layout == WALK else MaskTree)(model, index)
    return model.tree_cache[index]


def leaf_values(model, part, row):
    width = value_bytes(part)
    code = "f" if part.accumulator == SUM32 else "d"
    return struct.unpack_from(f"<{part.leaf_width}{code}", model.sections[LEAVES],
                              part.leaf_offset + width * part.leaf_width * row)


def read_cuts(model, column):
    """The levels of a column's list, the first level first, each a tuple of numbers (15.5)."""
    key = column.first_cut, column.cut_count
    if key not in model.cut_cache:
        code = "f" if model.record.input_rule & FLOAT32 else "d"
        levels, at = [], column.first_cut
        for blocks in level_blocks(column.cut_count):
            levels.append(struct.unpack_from(f"<{BLOCK * blocks}{code}", model.sections[CUTS], at))
            at += BLOCK * blocks * model.cut_bytes()
        model.cut_cache[key] = levels
    return model.cut_cache[key]


# --- Prediction (chapter 18) ----------------------------------------------------------------------

def divide(left, right):
    """IEEE 754 division; Python's own refuses a divisor of zero."""
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def keep(value):
    """What an operation of f64 does to its result: nothing more."""
    return value


def sum_sequential(values, rounded=keep):
    total = 0.0
    for value in values:
        total = rounded(total + value)
    return total


def sum_pairwise(values, rounded=keep):
    """[F-250]; halving ends after at most 20 levels, since there are at most 2^20 slots."""
    count = len(values)
    if count < 8:
        return sum_sequential(values, rounded)
    if count > 128:
        half = count // 2
        half -= half % 8
        return rounded(sum_pairwise(values[:half], rounded) + sum_pairwise(values[half:], rounded))
    sums = list(values[:8])
    for start in range(8, count - 7, 8):
        for j in range(8):
            sums[j] = rounded(sums[j] + values[start + j])
    while len(sums) > 1:
        sums = [rounded(sums[j] + sums[j + 1]) for j in range(0, len(sums), 2)]
    total = sums[0]
    for value in values[count - count % 8:]:
        total = rounded(total + value)
    return total


def check_row(model, row, features):
    """[F-242]"""
    infinite_allowed = model.record.input_rule & INFINITE_ALLOWED
    missing_allowed = model.record.input_rule & MISSING_ALLOWED
    for index, value in enumerate(features):
        require(infinite_allowed or not math.isinf(value), 242,
                f"row {row}: feature {index} is infinite")
        require(missing_allowed or not math.isnan(value), 242,
                f"row {row}: feature {index} is missing")


def convert_row(model, features, narrow=False):
    require(len(features) == model.record.feature_count, 241,
            f"{len(features)} features, the model has {model.record.feature_count}")
    if model.operations:
        features = prepare_row(model, features, narrow)
    rule = model.record.input_rule
    if rule & FLOAT32:
        features = [round_to_float32(value) for value in features]
    if rule & MISSING_NUMBER:  # [F-421]
        features = [math.nan if value == model.record.missing_number else value
                    for value in features]
    if rule & FLUSH_TINY:
        features = [0.0 if abs(value) <= TINY else value for value in features]
    return list(features)


def find_rank(model, column, value):
    """[F-255]"""
    block = 0
    for level in read_cuts(model, column):
        block = min(block, len(level) // BLOCK - 1)
        numbers = level[BLOCK * block:BLOCK * block + BLOCK]
        block = BLOCK * block + sum(number < value for number in numbers)
    return min(block, column.cut_count)


def find_word(model, column, value):
    """A SET column's word ([F-306])."""
    rank = column.cut_count + 1 if math.isnan(value) else find_rank(model, column, value)
    start, words = model.set_places[id(column)]
    return struct.unpack_from("<I", model.sections[SETS],
                              start + 4 * (rank * words + column.segment))[0]


def compute_column(model, column, features):
    """[F-243], [F-255]"""
    if column.kind == LEAF_COLUMN:
        return 0
    value = features[column.feature]
    if column.kind == SET_COLUMN:
        return find_word(model, column, value)
    if math.isnan(value) and column.missing == AS_ZERO:
        value = 0.0
    missing = math.isnan(value) or (
        column.missing in (ZERO_RIGHT, ZERO_LEFT) and abs(value) <= TINY)
    left = column.missing in (LEFT, ZERO_LEFT)
    if column.kind != CODE_COLUMN:
        return (0x007FFFFF if left else 2**32 - 1) if missing else word_of(value)
    if missing:
        rank = 0 if left else column.cut_count
    else:
        rank = find_rank(model, column, value)
    if column.bank == BANK_WORD:
        return rank
    width = SEGMENT[column.bank]
    return min(max(rank - column.segment * width, 0), width)


def compute_columns(model, features):
    """The values of every bank's columns."""
    return {bank: [compute_column(model, column, features) for column in columns]
            for bank, columns in model.banks.items()}


def iteration_range(part, asked):
    """(first, count) of [F-247]; `asked` is None or such a pair."""
    if asked is None or part.range == RANGE_DEFAULT:  # [F-471]
        return part.default_iteration_first, part.default_iteration_count
    first, count = asked
    require(count >= 1 and 0 <= first and first + count <= part.iteration_count, 247,
            f"iterations {first}:{first + count} of {part.iteration_count}")
    return asked


def run_trees(model, part, columns, slots, asked):
    first, count = iteration_range(part, asked)
    width, single = part.slot_count, part.accumulator == SUM32
    if part.start == 1:
        sums = list(model.constants[part.start_index:part.start_index + width])
    elif part.start == START_SLOTS:
        sums = slots[part.start_index:part.start_index + width]
    else:
        sums = [0.0] * width
    for index in range(part.first_tree, part.first_tree + part.tree_count):
        tree = walk_tree(model, index)
        if not first <= tree.iteration < first + count:
            continue
        row = tree.walk(columns)[0]
        for j, value in enumerate(leaf_values(model, part, row)):
            total = sums[tree.slot + j] + value
            sums[tree.slot + j] = round_to_float32(total) if single else total
    for k in range(width):
        if part.divisor == DIVISOR_CONSTANTS:
            sums[k] = divide(sums[k], model.constants[part.divisor_index + k])
        elif part.divisor == DIVISOR_ITERATIONS:
            sums[k] = divide(sums[k], float(count))
    slots[part.first_slot:part.first_slot + width] = sums


def call(function, *values):
    """A function of the mathematical library, as IEEE 754 has it where Python raises."""
    try:
        return function(*values)
    except OverflowError:
        return math.inf


def exp(value):
    return call(math.exp, value)


def log(value):
    if value == 0:
        return -math.inf
    return math.nan if value < 0 else math.log(value)


def log1p(value):
    if value == -1:
        return -math.inf
    return math.nan if value < -1 else math.log1p(value)


def softmax(stage, values, rounded):
    """[F-259], [F-260]"""
    most = values[0]
    for value in values[1:]:
        if value > most:
            most = value
    single = stage.arithmetic == ARITHMETIC32 and stage.order != SEQUENTIAL
    powers = [numpy_exp(rounded(value - most)) if single else rounded(exp(rounded(value - most)))
              for value in values]
    if stage.order == SEQUENTIAL:
        total = rounded(sum_sequential(powers))
    else:
        total = sum_pairwise(powers, rounded)
    if stage.operation == SOFTMAX:
        return [rounded(divide(power, total)) for power in powers]
    total = log(total) + most
    return [exp(value - total) for value in values]


def sigmoid(single, value):
    """[F-258]"""
    if not single:
        return divide(1.0, 1.0 + exp(-value))
    most = round_to_float32(88.7)
    power = round_to_float32(exp(most if most < -value else -value))
    return round_to_float32(divide(1.0, round_to_float32(power + 1.0)))


def expectiles(values):
    """[F-266]"""
    found = [values[0]]
    for value in values[1:]:
        power = round_to_float32(exp(-abs(value)))
        soft = round_to_float32((value if value > 0 else 0.0) + round_to_float32(
            math.log1p(power)))
        step = round_to_float32(round_to_float32(1e-6) + soft)
        found.append(round_to_float32(found[-1] + step))
    return found


def sort_key(value):
    return math.isnan(value), 0.0 if math.isnan(value) else value, math.copysign(1.0, value)


def interpolate(value, knots, found):
    """[F-343]"""
    low, high = 0, len(knots)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if knots[middle] <= value else (low, middle)
    if math.isnan(value):
        return value
    if low == 0 or low == len(knots) or knots[low - 1] == value:
        return found[max(low - 1, 0)]
    slope = divide(found[low] - found[low - 1], knots[low] - knots[low - 1])
    return slope * (value - knots[low - 1]) + found[low - 1]


def interpolate_single(stage, value, knots, found):
    """[F-517]"""
    if math.isnan(value) or len(knots) == 1:
        return value if math.isnan(value) else found[0]
    rounded = round_to_float32
    place = knots[0] if value < knots[0] else value
    place = knots[-1] if place > knots[-1] else place
    low, high = 1, len(knots) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if place <= knots[middle] else (middle + 1, high)
    (before, after), (first, second) = knots[low - 1:low + 1], found[low - 1:low + 1]
    way, width = rounded(place - before), rounded(after - before)
    if stage.operation == ISOTONIC:
        slope = rounded(divide(rounded(second - first), width))
        return rounded(rounded(slope * way) + first)
    share = rounded(rounded(divide(way, width)) * second)
    rest = rounded(rounded(divide(rounded(after - place), width)) * first)
    return rounded(share + rest)


def weighted_median(values, weights):
    """[F-345]"""
    order = sorted(range(len(values)), key=lambda i: (math.isnan(values[i]), values[i], i)
                   if not math.isnan(values[i]) else (True, 0.0, i))
    total = sum_sequential([weights[i] for i in order])
    place, running = None, 0.0
    for i in order:
        running += weights[i]
        if running >= 0.5 * total:
            place = i
            break
    place = order[0] if place is None else place
    return [values[place]] + [0.0] * (len(values) - 1)


def logit(value):
    """[F-472]"""
    if value < 0.3 or value > 0.65:
        return log(divide(value, 1.0 - value))
    twice = 2.0 * (value - 0.5)
    return log1p(twice) - log1p(-twice)


def log_centred(stage, values):
    """[F-472]"""
    add = sum_sequential if stage.order == SEQUENTIAL else sum_pairwise
    mean = exp(add([log(value) for value in values], keep) / len(values))
    return [log(divide(value, mean)) for value in values]


def run_vector(stage, values, constants, rounded):
    """The operations that are not made item by item."""
    operation = stage.operation
    if operation in (NORMALISE, NORMALISE_EVEN):
        add = sum_sequential if stage.order == SEQUENTIAL else sum_pairwise
        total = add(values, rounded)
        if total == 0 and operation == NORMALISE_EVEN:
            return [1.0 / len(values)] * len(values)
        return [rounded(divide(value, 1.0 if total == 0 else total)) for value in values]
    if operation in (SOFTMAX, SOFTMAX_LOG):
        return softmax(stage, values, rounded)
    if operation == TWO_CLASSES:
        return [one for value in values for one in (rounded(1.0 - value), value)]
    if operation == INDEX:
        return [float(first_maximum(values))]
    if operation == SORT:
        return sorted(values, key=sort_key)
    if operation == SPREAD:
        return [values[0] * constant for constant in constants]
    if operation == PRODUCTS:
        return [sum_sequential([value * one for value, one in zip(values, constants)])]
    if operation == STAGE_CONSTANTS:
        return list(constants)
    if operation == CHOOSE:
        return [constants[0] if values[0] == place else constants[1]
                for place in range(stage.slot_count)]
    if operation in (ISOTONIC, ISOTONIC_SHARES):
        knots, found = constants[:stage.slot_count], constants[stage.slot_count:]
        return [interpolate(values[0], knots, found) if stage.arithmetic == ARITHMETIC64 else
                interpolate_single(stage, values[0], knots, found)]
    if operation == WEIGHTED_MEDIAN:
        return weighted_median(values, constants)
    if operation == CLAMP:
        raised = [constants[0] if value < constants[0] else value for value in values]
        return [constants[1] if value > constants[1] else value for value in raised]
    if operation == LOG_CENTRED:
        return log_centred(stage, values)
    return expectiles(values) if operation == EXPECTILES else None


def run_item(stage, value, constant, iterations, rounded):
    sign = (value > 0) - (value < 0)
    return {ADD: lambda: rounded(value + constant),
            MULTIPLY: lambda: rounded(value * constant),
            DIVIDE: lambda: rounded(divide(value, constant)),
            DIVIDE_ITERATIONS: lambda: divide(value, iterations),
            SIGMOID: lambda: sigmoid(stage.arithmetic == ARITHMETIC32, value),
            EXP: lambda: rounded(exp(value)),
            LOG1P_EXP: lambda: call(math.log1p, exp(value)),
            SIGNED_SQUARE: lambda: sign * value * value,
            NEGATIVE_POWER: lambda: -call(math.pow, 2.0, -value),
            STEP: lambda: 1.0 if value > 0 else 0.0,
            CUT_ONE: lambda: 1.0 if 1 < value <= 1.0 + 1e-5 else value,
            EXPM1: lambda: rounded(call(math.expm1, value)),
            EXP2: lambda: rounded(call(math.pow, 2.0, value)),
            SQUARE: lambda: rounded(value * value),
            SQRT: lambda: math.nan if value < 0 else rounded(math.sqrt(value)),
            LOG: lambda: log(value) if stage.arithmetic == ARITHMETIC64 else numpy_log(value),
            LOG1P: lambda: rounded(log1p(value)),
            ROUND: lambda: rounded(value),
            EXPIT: lambda: rounded(divide(1.0, rounded(1.0 + rounded(exp(-value))))),
            NUMPY_EXP: lambda: numpy_exp(value),
            LOG_ODDS: lambda: log(divide(value, 1.0 - value)),
            LOGIT: lambda: logit(value)}[stage.operation]()


def value_of_row(stage, value):
    """[F-464], [F-474]"""
    if math.isnan(value):
        return math.nan
    value = round_to_float32(value) if stage.arithmetic == ARITHMETIC32 else value
    return 0.0 if stage.operation == FLUSHED_VALUES and abs(value) <= TINY else value


def run_stage(model, stage, slots, asked, features):
    values = slots[stage.input_slot:stage.input_slot + stage_inputs(stage)]
    constants = [0.0] * stage.slot_count
    if stage.operation in WITH_CONSTANTS:
        constants = model.constants[stage.table:stage.table + stage_constants(stage)]
    iterations = 0.0
    if stage.operation == DIVIDE_ITERATIONS:
        iterations = float(iteration_range(model.parts[stage.table], asked)[1])
    rounded = round_to_float32 if stage.arithmetic == ARITHMETIC32 else keep
    if stage.operation in OF_ROW:
        found = [value_of_row(stage, features[int(one)]) for one in constants]
    elif stage.operation == LINEAR_SUM:
        found = [sum_leaves(model, stage, slots,
                            *iteration_range(model.parts[int(constants[0])], asked))]
    elif stage.operation == PICK:
        found = [0.0 if slot < 0 else slots[int(slot)] for slot in constants]
    elif stage.operation == ADD_SLOTS:
        others = slots[stage.table:stage.table + stage.slot_count]
        found = [rounded(value + other) for value, other in zip(values, others)]
    else:
        found = run_vector(stage, values, constants, rounded)
    if found is None:
        found = [run_item(stage, value, constant, iterations, rounded)
                 for value, constant in zip(values, constants)]
    slots[stage.output_slot:stage.output_slot + len(found)] = found


# --- What may differ ([F-181]) --------------------------------------------------------------------

LINKED = (SIGMOID, SOFTMAX, SOFTMAX_LOG, EXP, LOG1P_EXP, NEGATIVE_POWER, EXPECTILES, EXPM1, EXP2,
          LOG, LOG1P, LOG_ODDS, LOGIT, LOG_CENTRED, EXPIT, NUMPY_EXP)
JUMPING = (CHOOSE, ISOTONIC, ISOTONIC_SHARES, WEIGHTED_MEDIAN, LINEAR_SUM, LOG, CLAMP, LOG_ODDS,
           LOGIT, LOG_CENTRED)


def stages_and_parts(model):
    """In the order of the steps."""
    for step in model.steps:
        if step.kind == STEP_TREES:
            yield model.parts[step.first]
        elif step.kind == STEP_STAGES:
            yield from model.stages[step.first:step.first + step.count]


def inexact_slots(model):
    """(the stage or part that writes it, ulp it may differ by), for slots that are not exact."""
    found = {}
    prepared = any(one.operation in (OF_LOG1P, OF_EXPM1, OF_LOG, OF_EXP)
                   for one in model.operations)
    for stage in stages_and_parts(model):
        if isinstance(stage, Part):  # [F-473]
            starts = range(stage.start_index, stage.start_index + stage.slot_count)
            read = [slot for slot in starts if slot in found]
            for slot in range(stage.first_slot, stage.first_slot + stage.slot_count):
                if read and stage.start == START_SLOTS:
                    found[slot] = (stage, math.inf)
            continue
        if stage.operation in OF_ROW and prepared:  # [F-468]
            for slot in range(stage.output_slot, stage.output_slot + stage.slot_count):
                found[slot] = (stage, math.inf)
            continue
        read = [slot for slot in stage_reads(stage, model.constants) if slot in found]
        if stage.operation not in LINKED and not read:
            continue
        ulp = max([4096 if stage.operation >= PICK else 2] + [found[slot][1] for slot in read])
        if read and stage.operation in JUMPING:
            ulp = math.inf
        for slot in range(stage.output_slot, stage.output_slot + stage_outputs(stage)):
            found[slot] = (stage, ulp)
    return found


def ulp_of(magnitude, single):
    if not single:
        return math.ulp(magnitude)
    return math.ldexp(1.0, math.frexp(magnitude)[1] - 24)


def is_near(model, writer, slots, found, stored):
    """Whether a slot that a stage writes is near enough to another value of it."""
    stage, ulp = writer
    magnitudes = [1.0, abs(found), abs(stored)]
    if ulp == math.inf or found == stored or stage.operation in (STEP, INDEX):
        return True
    magnitudes += map(abs, slots[stage.input_slot:stage.input_slot + stage_inputs(stage)])
    if stage.operation in WITH_CONSTANTS and stage.operation != PICK:
        magnitudes += map(abs, model.constants[stage.table:stage.table + stage_constants(stage)])
    largest = max(value for value in magnitudes if not math.isnan(value))
    return abs(found - stored) <= ulp * ulp_of(largest, stage.arithmetic == ARITHMETIC32)


def predict_slots(model, features, asked=None):
    """All slots after the last step, for converted features."""
    columns = compute_columns(model, features)
    slots = [0.0] * model.record.slot_count
    for step in model.steps:
        if step.kind == STEP_TREES:
            run_trees(model, model.parts[step.first], columns, slots, asked)
        elif step.kind == STEP_STAGES:
            for stage in model.stages[step.first:step.first + step.count]:
                run_stage(model, stage, slots, asked, features)
    return slots


def predict_leaves(model, features, first, count):
    columns = compute_columns(model, features)
    numbers = []
    for index in range(first, first + count):
        tree = walk_tree(model, index)
        numbers.append(tree.walk(columns)[1])
    return numbers


def first_maximum(values):
    best = 0
    for i in range(1, len(values)):
        if values[i] > values[best]:
            best = i
    return best


def decide(decision, values):
    """[F-252], [F-267]"""
    if decision == LAST_MAXIMUM:
        best = 0
        for i in range(1, len(values)):
            if values[i] >= values[best]:
                best = i
        return best
    rules = {ABOVE_ZERO: lambda: values[0] > 0, AT_LEAST_ZERO: lambda: values[0] >= 0,
             ABOVE_HALF: lambda: values[0] > 0.5}
    return int(rules[decision]()) if decision in rules else first_maximum(values)


def predict_row(model, kind, features, asked=None):
    """One row of an output (chapter 11); CLASS gives indices into the labels."""
    outputs = model.select(kind)
    if kind == LEAF:
        part = model.parts[outputs[0].part]
        return predict_leaves(model, features, part.first_tree, part.tree_count)
    slots = predict_slots(model, features, asked)
    ranges = [slots[one.first_slot:one.first_slot + one.slot_count] for one in outputs]
    if outputs[0].dtype == 1:
        ranges = [list(map(round_to_float32, values)) for values in ranges]
    if kind == CLASS:
        return [decide(one.decision, values) for one, values in zip(outputs, ranges)]
    return list(itertools.chain.from_iterable(ranges))


def label_of(model, group, index):
    labels = model.labels[group]
    value = labels.values[index]
    if labels.kind == STRING:
        return value.decode("utf-8")
    return bool(value) if labels.kind == BOOL else value


def predict(model, kind, rows, asked=None, checked=True, narrow=False):
    """Rows of an output, narrow: of f32; those of CLASS hold labels."""
    results = []
    for index, row in enumerate(rows):
        features = convert_row(model, row, narrow)
        if checked and model.operations:
            check_prepared(model, index, row, narrow)
        elif checked:
            check_row(model, index, features)
        result = predict_row(model, kind, features, asked)
        if kind == CLASS:
            result = [label_of(model, group, one) for group, one in enumerate(result)]
        results.append(result)
    return results
