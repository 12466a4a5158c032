# SPDX-License-Identifier: Apache-2.0
"""All peers, in the order in which they take turns."""

from peers_compiled import (Espalier, LightGBM, LightGBMPython, Lleaves, Naive, ScikitLearn,
                            TL2cgen, Treelite, XGBoost, XGBoostPython)
from peers_python import CatBoost, OneDal, OnnxRuntime, OnnxRuntimePython, Ydf

PEERS = (Espalier(), Naive(), ScikitLearn(), XGBoost(), XGBoostPython(), LightGBM(),
         LightGBMPython(), Lleaves(), Treelite(), TL2cgen(), OnnxRuntime(), OnnxRuntimePython(),
         Ydf(), OneDal(), CatBoost())
PEER_BY_NAME = {peer.name: peer for peer in PEERS}
