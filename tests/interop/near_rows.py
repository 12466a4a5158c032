# SPDX-License-Identifier: Apache-2.0
"""Rows whose features lie on and beside thresholds, for any trainer. NumPy only."""
import numpy as np


def put_near(rng, rows, near, special):
    """Changes the last two thirds of the rows: a feature may get a value of near[feature] or a
    special one. Returns them with one more row for each special value, full of it."""
    width = rows.shape[1]
    for row in rows[len(rows) // 3:]:
        for feature in range(width):
            chance = rng.randint(8)
            if chance == 0:
                row[feature] = special[rng.randint(len(special))]
            elif chance < 5 and near[feature]:
                row[feature] = near[feature][rng.randint(len(near[feature]))]
    return np.vstack([rows] + [np.full((1, width), value) for value in special])
