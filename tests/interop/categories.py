# SPDX-License-Identifier: Apache-2.0
"""Made data with categorical features, and rows that ask odd things of them; for prove_*.py. NumPy
is all it needs; Python 3.6 runs it.
"""
import numpy as np

# Beside categories, beyond them, and at the ends of what trainers take for one.
ODD_CODES = [-1.0, -0.5, -0.0, 0.5, 0.999999999, 254.0, 255.0, 256.0, 257.0, 65536.0, 2.0**24 - 1,
             2.0**24, 2.0**31 - 1, 2.0**31, 2.0**32 + 3, -2.0**31, 1e18, 1e300, -1e300, 1e-36,
             np.nan]


def make_codes(rng, most):
    """(matrix, categorical columns, target): codes 0, 1, ... with some left out, and numbers."""
    count = int(rng.choice([200, 1000, 4000]))
    sizes = [int(rng.choice([size for size in (1, 2, 3, 8, 40, 300, 2000) if size <= most]))
             for _ in range(int(rng.choice([1, 2, 5])))]
    numbers = int(rng.choice([0, 1, 3]))
    data = np.empty((count, len(sizes) + numbers))
    target = 0.1 * rng.randn(count)
    for column, size in enumerate(sizes):
        codes = np.sort(rng.permutation(most)[:size]) if rng.randint(2) else np.arange(size)
        chosen = np.minimum((size * rng.rand(count)**2).astype(int), size - 1)
        data[:, column] = codes[chosen]
        target += rng.randn(size)[chosen]
    for column in range(len(sizes), data.shape[1]):
        data[:, column] = rng.randn(count)
        target += data[:, column]
    if rng.randint(2):
        data[rng.rand(*data.shape) < 0.1] = np.nan
    return data, list(range(len(sizes))), target


def mix_codes(rng, data, columns, count, infinite=True):
    """Rows of the data with other categories, fractions, and numbers that are none."""
    odd = ODD_CODES + ([np.inf, -np.inf] if infinite else [])
    rows = data[rng.randint(len(data), size=count)].copy()
    for row in rows[count // 3:]:
        for column in columns:
            chance = rng.randint(6)
            known = data[rng.randint(len(data)), column]
            if chance == 0:
                row[column] = odd[rng.randint(len(odd))]
            elif chance == 1:
                row[column] = known + rng.choice([-1, 1, 0.25, 0.75, -0.5, 256])
            elif chance == 2:
                row[column] = known
    return np.vstack([rows] + [np.full((1, data.shape[1]), one) for one in odd])
