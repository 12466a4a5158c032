# SPDX-License-Identifier: Apache-2.0
"""Measured data that scikit-learn brings along, for the provers; nothing is downloaded."""
import numpy as np
from sklearn.datasets import (load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine)

LOADERS = (load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine)


def load_real(rng):
    """A matrix and a target around zero: the classes' numbers or the values, scaled, and a little
    of the first features, so that there are as many values as rows."""
    data, target = LOADERS[rng.randint(len(LOADERS))](return_X_y=True)
    chosen = rng.permutation(len(data))[:min(600, len(data) // 20 * 20)]  # queries have 20 rows
    data = np.ascontiguousarray(data[chosen], dtype=np.float64)
    target = (target[chosen] - target.mean()) / target.std()
    scaled = (data - data.mean(axis=0)) / np.maximum(data.std(axis=0), 1e-9)
    return data, target + 0.05 * scaled[:, :4].sum(axis=1)
