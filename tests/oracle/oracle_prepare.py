# SPDX-License-Identifier: Apache-2.0
"""PREPARATION: chapters 12a and 18.2a of docs/format.md.

Part of oracle.py, under its terms: written from the document alone.
"""

import math

from oracle_records import (ABOVE, ABS, BY, CHECK, CLIP, COPY, FILL, IS_MISSING, KEY, NUDGE, OF_EXP,
                            OF_EXPM1, OF_LOG, OF_LOG1P, OF_SQRT, ONE_HOT, PLUS, RANK,
                            REFUSE_INFINITE, REFUSE_NAN, REFUSE_UNKNOWN, ROUND32, ROUND64, SUBTRACT,
                            TIMES, require, round_to_float32)


def quotient(left, right):
    """IEEE 754's, for which Python raises an exception."""
    if right == 0.0:
        if left == 0.0 or math.isnan(left):
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1.0, right)
    return left / right


def call(function, value, beyond):
    """A function of the library; what it gives beyond its domain and its range."""
    try:
        return function(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return beyond(value)


def logarithm_edge(edge):
    return lambda value: -math.inf if value == edge else math.nan


FUNCTIONS = {OF_LOG1P: (math.log1p, logarithm_edge(-1.0)), OF_LOG: (math.log, logarithm_edge(0.0)),
             OF_EXPM1: (math.expm1, math.exp), OF_EXP: (math.exp, math.exp),
             OF_SQRT: (math.sqrt, lambda value: math.nan), ABS: (abs, abs), COPY: (float, float)}


def fma(left, right, more):
    """A sum in float64 before it is rounded: seldom another last bit."""
    return round_to_float32(left * right + more)


EXP_ABOVE = [round_to_float32(c) for c in (
    5.082762527590693718e-4, 6.757896990527504603e-3, 5.114512081637298353e-2,
    2.473615434895520811e-1, 7.257664613233124478e-1, 9.999999999980870925e-1)]
EXP_BELOW = [round_to_float32(c) for c in (2.159509375685829852e-2, -2.742335390411667453e-1, 1)]


def numpy_exp(value):
    """[F-259], PAIRWISE"""
    if math.isnan(value) or value > 88.72283935546875 or value < -103.97208404541015625:
        return value if math.isnan(value) else math.inf if value > 0 else 0.0

    whole = round(round_to_float32(value * round_to_float32(1.44269504)))
    rest = fma(whole, round_to_float32(-6.93145752e-1), value)
    rest = fma(whole, round_to_float32(-1.42860677e-6), rest)
    above, below = EXP_ABOVE[0], EXP_BELOW[0]
    for factor in EXP_ABOVE[1:]:
        above = fma(above, rest, factor)
    for factor in EXP_BELOW[1:]:
        below = fma(below, rest, factor)
    return round_to_float32(math.ldexp(round_to_float32(above / below), whole))


LOG_ABOVE = [round_to_float32(c) for c in (
    2.589979117907922694e-2, 3.808837741388407921e-1, 1.480000633576506585, 2.112677543073053064,
    9.999999999999998703e-1, 0)]
LOG_BELOW = [round_to_float32(c) for c in (
    5.875095403124574343e-3, 1.546476374983906720e-1, 9.864942958519418960e-1, 2.453006071784736363,
    2.612677543073109237, 1)]


def numpy_log(value):
    """[F-381], where it is rounded"""
    if math.isnan(value) or value <= 0.0 or math.isinf(value):
        return -math.inf if value == 0.0 else math.nan if value < 0.0 else value
    part, whole = math.frexp(value)
    if part <= round_to_float32(math.sqrt(0.5)):
        part, whole = part * 2, whole - 1
    above, below = LOG_ABOVE[0], LOG_BELOW[0]
    for more, less in zip(LOG_ABOVE[1:], LOG_BELOW[1:]):
        above = fma(above, part - 1, more)
        below = fma(below, part - 1, less)
    return fma(whole, round_to_float32(math.log(2)), round_to_float32(above / below))


NUMPY_FUNCTIONS = {OF_EXP: numpy_exp, OF_LOG: numpy_log}


def is_same(left, right):
    return left == right or (math.isnan(left) and math.isnan(right))


def find_rank(numbers, value):
    """[F-381]"""
    low, high = 0, len(numbers)
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low


def find_key(keys, value):
    """[F-381]: the place of a value among keys, their number if it is none."""
    if math.isnan(value):
        return len(keys) - 1 if keys and math.isnan(keys[-1]) else len(keys)
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low if low < len(keys) and keys[low] == value else len(keys)


def compute(one, numbers, value, rounded):
    """The values that an operation writes, but for the last rounding."""
    kind, count = one.operation, len(numbers)
    if kind in NUMPY_FUNCTIONS and rounded is round_to_float32:
        return [NUMPY_FUNCTIONS[kind](rounded(value))]
    if kind in FUNCTIONS:
        return [call(FUNCTIONS[kind][0], value, FUNCTIONS[kind][1])]
    if kind == ONE_HOT:
        return [1.0 if value == place else 0.0 for place in range(one.count)]
    if kind == RANK:
        return [float(find_rank(numbers, value))]
    if kind == KEY:
        return [numbers[count // 2 + find_key(numbers[:count // 2], value)]]
    if kind == NUDGE:
        return [value + rounded(numbers[0] + rounded(numbers[1] * abs(value)))]
    if kind == CLIP:
        value = numbers[0] if value < numbers[0] else value
        return [numbers[1] if value > numbers[1] else value]
    return [{SUBTRACT: lambda: value - numbers[0], PLUS: lambda: value + numbers[0],
             TIMES: lambda: value * numbers[0], BY: lambda: quotient(value, numbers[0]),
             FILL: lambda: numbers[0] if is_same(value, numbers[1]) else value,
             IS_MISSING: lambda: float(is_same(value, numbers[0])),
             ABOVE: lambda: float(value > numbers[0])}[kind]()]


def numbers_for(model, one, narrow):
    first = one.numbers32 if narrow else one.numbers64
    return model.numbers[first:first + one.number_count]


def rounding(one, narrow):
    """[F-382]"""
    return round_to_float32 if one.flags & (ROUND32 if narrow else ROUND64) else float


def prepare_row(model, features, narrow):
    """All values, the features first."""
    values = list(features)
    for one in model.operations:
        if one.operation != CHECK:
            rounded = rounding(one, narrow)
            found = compute(one, numbers_for(model, one, narrow), values[one.input], rounded)
            values += map(rounded, found)
    return values


def check_prepared(model, row, features, narrow):
    """[F-383]"""
    values = prepare_row(model, features, narrow)
    for index, one in enumerate(model.operations):
        value = values[one.input]
        if one.operation == KEY and one.flags & REFUSE_UNKNOWN:
            keys = numbers_for(model, one, narrow)[:one.number_count // 2]
            require(find_key(keys, value) < len(keys), 383,
                    f"row {row}: operation {index}: {value} is no key")
        value = rounding(one, narrow)(value)
        require(not one.flags & REFUSE_NAN or not math.isnan(value), 383,
                f"row {row}: operation {index}: missing")
        require(not one.flags & REFUSE_INFINITE or not math.isinf(value), 383,
                f"row {row}: operation {index}: infinite")


def verify_preparation(model):
    """[F-378]"""
    for index, one in enumerate(model.operations):
        for first in (one.numbers32, one.numbers64):
            numbers = model.numbers[first:first + one.number_count]
            if one.operation == RANK:
                require(all(left <= right for left, right in zip(numbers, numbers[1:]))
                        and not any(map(math.isnan, numbers)), 378,
                        f"operation {index}: the numbers do not ascend")
            if one.operation == KEY:
                keys = list(numbers[:one.number_count // 2])
                if keys and math.isnan(keys[-1]):
                    keys.pop()
                require(all(left < right for left, right in zip(keys, keys[1:]))
                        and not any(map(math.isnan, keys)), 378,
                        f"operation {index}: the keys do not ascend")
