# SPDX-License-Identifier: Apache-2.0
"""Rows and targets for models of every kind, of one seed: for prove_each.py and prove_nests.py.
NumPy is all it needs."""
import numpy as np

WIDTH = 6


class VariedRows:
    """Rows whose last two columns are few whole numbers, with gaps, and targets of every kind."""

    def __init__(self, seed, count):
        self.rng = np.random.RandomState(seed)
        self.rows = self.fresh(count)
        noise = self.rows[:, 0] + np.sin(2 * self.rows[:, 1]) + (self.rows[:, 4] == 2)
        self.real = noise + 0.3 * self.rng.randn(count)
        self.gaps = np.where(self.rng.rand(count, WIDTH) < 0.1, np.nan, self.rows)
        self.two = (self.real > 0).astype(int)
        self.four = np.digitize(self.real, [-1, 0, 1])
        self.words = np.array(["lo", "mid", "hi \u00e9", "x"])[self.four]
        self.positive = np.exp(self.real / 2)
        self.tiny, self.huge = np.exp(8 * self.real - 30), np.round(np.exp(2 * self.real + 12))
        self.rare = (self.real > np.quantile(self.real, 0.97)).astype(int)
        self.uneven = np.digitize(self.real, np.quantile(self.real, [0.03, 0.94, 0.97]))

    def fresh(self, count):
        rows = np.round(self.rng.randn(count, WIDTH) * 8) / 8
        rows[:, 4], rows[:, 5] = self.rng.randint(0, 5, count), self.rng.randint(0, 3, count)
        return rows
