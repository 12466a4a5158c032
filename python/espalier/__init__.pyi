# SPDX-License-Identifier: Apache-2.0
# Types of everything public. Rows and results are Any: NumPy, pandas, polars, Arrow and lists go
# in, and NumPy arrays come out, or memoryviews where there is no NumPy.
from collections.abc import Iterable
from os import PathLike
from typing import Any, Literal

from . import _core

__version__: str
__all__ = [
    "ConvertError",
    "Error",
    "FileError",
    "FormatError",
    "InputError",
    "LimitError",
    "MissingFileError",
    "Model",
    "OutOfMemoryError",
    "Report",
    "convert",
    "dump",
    "load",
]

_Path = str | PathLike[str]
_Output = Literal["margin", "probability", "class", "value", "leaf", "score"]
_Layout = Literal["walk", "heap", "select", "bits", "mask"]

class Error(Exception):
    status: int
    name: str
    offset: int | None
    rule: int | None
    row: int | None
    feature: int | None

class InputError(Error, ValueError): ...
class FormatError(Error, ValueError): ...
class ConvertError(Error, ValueError): ...
class FileError(Error, OSError): ...
class MissingFileError(FileError, FileNotFoundError): ...
class LimitError(Error): ...
class OutOfMemoryError(Error, MemoryError): ...

class Report:
    path: str
    source_bytes: int
    model_bytes: int
    summary: str
    proof: dict[str, int]
    def __init__(self, path: str, facts: dict[str, Any]) -> None: ...

def convert(
    source: _Path | bytes | bytearray | memoryview,
    path: _Path,
    *,
    select: str | None = None,
    meta: dict[str, Any] | None = None,
    model_version: str | None = None,
    check: tuple[Any, Any] | None = None,
    missing: float | None = None,
    categorical: str | Iterable[str | int] | None = None,
    allow_flagged: bool = False,
    layout: _Layout | None = None,
    memory_bytes_max: int = 0,
    expanded_bytes_max: int = 0,
) -> Report: ...
def dump(
    estimator: object,
    path: _Path,
    *,
    check: Any = None,
    select: str | None = None,
    meta: dict[str, Any] | None = None,
    model_version: str | None = None,
    missing: float | None = None,
    categorical: str | Iterable[str | int] | None = None,
    allow_flagged: bool = False,
    layout: _Layout | None = None,
    memory_bytes_max: int = 0,
    expanded_bytes_max: int = 0,
) -> Report: ...

class Model(_core.Model):
    path: str
    n_threads: int
    def __init__(
        self,
        path: _Path,
        *,
        n_threads: int = 1,
        check_input: bool = True,
        copy: bool = False,
        verify: bool = False,
        prefault: bool = False,
        lock: bool = False,
        huge_pages: bool = False,
    ) -> None: ...
    def __enter__(self) -> Model: ...
    def __exit__(self, *unused: object) -> None: ...
    def __sklearn_clone__(self) -> Model: ...
    def __sklearn_is_fitted__(self) -> bool: ...
    def __sklearn_tags__(self) -> Any: ...
    @property
    def digest(self) -> str: ...
    @property
    def check_input(self) -> bool: ...
    @check_input.setter
    def check_input(self, value: bool) -> None: ...
    @property
    def info(self) -> dict[str, Any]: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def n_features_in_(self) -> int: ...
    @property
    def n_outputs_(self) -> int: ...
    @property
    def feature_names_in_(self) -> Any: ...
    @property
    def categories_(self) -> list[Any]: ...
    @property
    def classes_(self) -> Any: ...
    @property
    def n_classes_(self) -> Any: ...
    def get_params(self, deep: bool = True) -> dict[str, Any]: ...
    def set_params(self, **params: Any) -> Model: ...
    def fit(self, X: Any = None, y: Any = None, **unused: Any) -> Model: ...
    def predict(
        self,
        X: Any,
        *,
        output: _Output | None = None,
        iterations: tuple[int, int] | None = None,
        n_threads: int | None = None,
    ) -> Any: ...
    def predict_proba(
        self, X: Any, *, iterations: tuple[int, int] | None = None, n_threads: int | None = None
    ) -> Any: ...
    def predict_log_proba(self, X: Any) -> Any: ...
    def decision_function(
        self, X: Any, *, iterations: tuple[int, int] | None = None, n_threads: int | None = None
    ) -> Any: ...
    def score_samples(self, X: Any, *, n_threads: int | None = None) -> Any: ...
    def apply(
        self, X: Any, *, iterations: tuple[int, int] | None = None, n_threads: int | None = None
    ) -> Any: ...
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float: ...

def load(
    path: _Path,
    *,
    n_threads: int = 1,
    check_input: bool = True,
    copy: bool = False,
    verify: bool = False,
    prefault: bool = False,
    lock: bool = False,
    huge_pages: bool = False,
) -> Model: ...
