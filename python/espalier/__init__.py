# SPDX-License-Identifier: Apache-2.0
"""Espalier: predict with trained tree ensembles straight from a memory-mapped file.

    import espalier

    espalier.dump(forest, "forest.espalier")         # or espalier.convert("forest.pkl", ...)
    model = espalier.load("forest.espalier")         # mapped, not read
    model.predict(X), model.predict_proba(X)         # the trainer's answers, bit for bit
    model.predict_one((6.3, 2.5, 4.9, 1.5))          # one row, for services

Importing needs neither NumPy nor a trainer; the parsers are loaded by `convert` and `dump` alone.
"""
from __future__ import annotations

from . import _core
from ._errors import (ConvertError, Error, FileError, FormatError, InputError, LimitError,
                      MissingFileError, OutOfMemoryError)
from ._converting import Report, convert, dump
from ._model import Model, load

__version__: str = _core.version

__all__ = ["ConvertError", "Error", "FileError", "FormatError", "InputError", "LimitError",
           "MissingFileError", "Model", "OutOfMemoryError", "Report", "convert", "dump", "load"]
