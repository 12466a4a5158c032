# SPDX-License-Identifier: Apache-2.0
"""A web service that predicts with one mapped model and swaps it when a new one is published.

    MODEL=forest.espalier gunicorn -c examples/fastapi/gunicorn_conf.py serve_model:app

Every worker maps the same file, so their memory is the kernel's, once. MODEL is a model file that
is replaced by renaming, or `current/model.espalier` of a store: a worker looks at the path every
REFRESH_SECONDS (0.5) and, when another file lies there, opens and checks it beside the running one
and takes it for the requests that come after; requests under way keep theirs. A file that does not
open, or that has other features, classes or outputs, is refused and the old model serves on.

    POST /predict      {"rows": [[...], ...]}    labels or values, probabilities, the model's digest
    POST /predict_one  {"row": [...]}            the same for one row, without NumPy
    GET  /health       the process runs
    GET  /ready        it has a model; which one, and why the last one published was refused
    GET  /metadata     what the model says of itself
"""
import asyncio
import contextlib
import os

import espalier
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel


class Row(BaseModel):
    row: list[float | None]


class Rows(BaseModel):
    rows: list[list[float | None]]


class MappedModel:
    """What the service asks of a model; serve_joblib.py has another one."""

    def __init__(self, path):
        self.model = espalier.load(path, verify=True)
        self.digest = self.model.digest
        self.metadata = self.model.metadata
        self.outputs = self.model.info["outputs"]
        names = getattr(self.model, "feature_names_in_", None)
        classes = getattr(self.model, "classes_", None)
        # What a successor must have too, so that callers need not know which one answers.
        self.shape = (self.model.n_features_in_, list(names) if names is not None else None,
                      [str(one) for one in classes] if classes is not None else None,
                      "probability" in self.outputs)

    def predict_one(self, row):
        answer = {"label": self.model.predict_one(row)}
        if "probability" in self.outputs:
            answer["probabilities"] = self.model.predict_one(row, "probability")
        return answer

    def predict(self, rows):
        answer = {"labels": self.model.predict(rows).tolist()}
        if "probability" in self.outputs:
            answer["probabilities"] = self.model.predict_proba(rows).tolist()
        return answer


class Current:
    """The model that serves, and how it is replaced."""

    def __init__(self, path, load):
        self.path = path
        self.load = load
        self.model = None
        self.refused = None  # why the last file was not taken
        self.seen = None

    def refresh(self):
        """Takes the file at the path if it is another one; on a thread that answers no requests."""
        try:
            found = os.stat(self.path)
            seen = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if seen == self.seen:
                return
            self.seen = seen
            model = self.load(self.path)
            if self.model is not None and model.shape != self.model.shape:
                raise ValueError("other features, classes or outputs than the model that serves")
            self.model = model  # one assignment: each request takes the old one or the new one
            self.refused = None
        except (espalier.Error, OSError, ValueError) as error:
            self.refused = str(error)

    async def watch(self, seconds):
        while True:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.refresh)

    def take(self):
        """The model for one request, which holds it until it is answered."""
        model = self.model
        if model is None:
            raise HTTPException(503, self.refused or "no model yet")
        return model


def answer(model, predict, rows):
    """The prediction, or 422 with the row and feature that the trainer would refuse."""
    try:
        return {"digest": model.digest, **predict(rows)}
    except espalier.InputError as error:
        place = {"row": getattr(error, "row", None), "feature": getattr(error, "feature", None)}
        raise HTTPException(422, {"message": str(error), **place}) from error
    except ValueError as error:
        raise HTTPException(422, {"message": str(error)}) from error


def create_app(load):
    current = Current(os.environ["MODEL"], load)

    @contextlib.asynccontextmanager
    async def lifespan(_):
        current.refresh()
        watching = asyncio.create_task(
            current.watch(float(os.environ.get("REFRESH_SECONDS", "0.5"))))
        yield
        watching.cancel()

    app = FastAPI(title="Espalier", lifespan=lifespan)

    # A row takes microseconds: on the event loop it is faster than handed to a thread.
    @app.post("/predict_one")
    async def predict_one(body: Row):
        model = current.take()
        return answer(model, model.predict_one, body.row)

    # A batch may take long: on a thread, and without the interpreter's lock, others go on.
    @app.post("/predict")
    def predict(body: Rows):
        model = current.take()
        return answer(model, model.predict, body.rows)

    @app.get("/health")
    async def health():
        return {"worker": os.getpid()}

    @app.get("/ready")
    async def ready():
        model = current.take()
        return {"worker": os.getpid(), "digest": model.digest, "refused": current.refused}

    @app.get("/metadata")
    async def metadata():
        model = current.take()
        return {"digest": model.digest, "metadata": model.metadata}

    return app


app = create_app(MappedModel)
