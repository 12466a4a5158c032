# SPDX-License-Identifier: Apache-2.0
"""Trains the tree of the worked example in docs/format.md and saves it: make_stump.py stump.pkl.

Needs scikit-learn (the file in the tree was written by 1.4.2).
"""

import pickle
import sys

from sklearn.tree import DecisionTreeClassifier


def main():
    rows = [[0.5], [1.5], [2.5], [3.5], [4.5]]
    labels = ["short", "short", "tall", "tall", "tall"]
    tree = DecisionTreeClassifier(max_depth=1, random_state=0).fit(rows, labels)
    with open(sys.argv[1], "wb") as file:
        pickle.dump(tree, file, protocol=4)


if __name__ == "__main__":
    main()
