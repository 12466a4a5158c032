# SPDX-License-Identifier: Apache-2.0
"""The same service on joblib and scikit-learn, for load_test.py to compare with: every worker loads
its own copy of MODEL, a joblib file, with the scikit-learn that wrote it."""
import hashlib
import os

import joblib

os.environ.setdefault("MODEL", "")
from serve_model import create_app  # noqa: E402


class LoadedModel:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.digest = hashlib.sha256(file.read()).hexdigest()
        self.model = joblib.load(path)
        self.metadata = {"parameters": {key: str(value) for key, value in
                                        self.model.get_params().items()}}
        self.shape = (self.model.n_features_in_, self.model.classes_.tolist())

    def predict_one(self, row):
        answer = self.predict([row])
        return {"label": answer["labels"][0], "probabilities": answer["probabilities"][0]}

    def predict(self, rows):
        # One walk through the trees for both, as whoever wants speed would write it.
        probabilities = self.model.predict_proba(rows)
        return {"labels": self.model.classes_[probabilities.argmax(axis=1)].tolist(),
                "probabilities": probabilities.tolist()}


app = create_app(LoadedModel)
