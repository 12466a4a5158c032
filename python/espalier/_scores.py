# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's default scores, so that `score` needs NumPy alone."""
from __future__ import annotations


def score_accuracy(numpy, wanted, found, weights=None) -> float:
    """The (weighted) part of rows whose labels, all of them, are right."""
    wanted = numpy.asarray(wanted)
    if wanted.shape != found.shape:
        wanted = wanted.reshape(found.shape)
    right = wanted == found
    if right.ndim == 2:
        right = right.all(axis=1)
    return float(numpy.average(right, weights=weights))


def score_r2(numpy, wanted, found, weights=None) -> float:
    """The coefficient of determination; of several outputs the plain mean."""
    wanted = numpy.asarray(wanted, dtype=numpy.float64).reshape(len(found), -1)
    found = numpy.asarray(found, dtype=numpy.float64).reshape(len(found), -1)
    weight = numpy.ones(len(found)) if weights is None else numpy.asarray(weights, numpy.float64)
    weight = weight[:, numpy.newaxis]
    mean = numpy.average(wanted, axis=0, weights=None if weights is None else weights)
    residual = (weight * (wanted - found) ** 2).sum(axis=0, dtype=numpy.float64)
    total = (weight * (wanted - mean) ** 2).sum(axis=0, dtype=numpy.float64)
    scores = numpy.ones(wanted.shape[1])
    varied = total != 0
    scores[varied] = 1 - residual[varied] / total[varied]
    scores[~varied & (residual != 0)] = 0.0
    return float(numpy.average(scores))
