// SPDX-License-Identifier: Apache-2.0
package espalier;

/**
 * One node of a tree. It asks, and a row goes left when its value is at most the threshold (of a
 * set see {@link Model#goesLeft}); or it is a leaf, and answers.
 */
public final class Node {
    final long[] raw;

    Node(long[] raw) {
        this.raw = raw;
    }

    /** Whether it answers. */
    public boolean isLeaf() {
        return raw[10] != 0;
    }

    /** Of a leaf: its row in the values of its tree's part. */
    public int leafIndex() {
        return (int) raw[6];
    }

    /** The feature it asks for, or behind them a value that a pipeline makes of one; -1: a leaf. */
    public int feature() {
        return (int) raw[1];
    }

    /** For float32 input the largest float32 not above the trainer's. */
    public double threshold() {
        return Double.longBitsToDouble(raw[0]);
    }

    /** What is missing here. */
    public Missing missing() {
        return Missing.values()[(int) raw[2]];
    }

    /** Whether it goes left. */
    public boolean missingLeft() {
        return raw[3] != 0;
    }

    /** Whether it asks for the category of the feature. */
    public boolean isSet() {
        return raw[7] != 0;
    }

    /** The position of the left child; of a leaf its own. */
    public int left() {
        return (int) raw[4];
    }

    /** The position of the right child; of a leaf its own. */
    public int right() {
        return (int) raw[5];
    }
}
