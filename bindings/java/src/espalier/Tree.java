// SPDX-License-Identifier: Apache-2.0
package espalier;

/**
 * Figures of a tree.
 *
 * @param nodeCount the trainer's nodes, leaves included
 * @param positionCount positions in the file; some may hold no node
 * @param depth steps to the deepest leaf
 * @param number the trainer's
 * @param iteration that it belongs to
 * @param partIndex the part of the model that it belongs to
 * @param leafWidth values per leaf
 */
public record Tree(int nodeCount, int positionCount, int depth, int number, int iteration,
        int partIndex, int leafWidth) {
    static Tree of(long[] raw) {
        return new Tree((int) raw[0], (int) raw[1], (int) raw[2], (int) raw[3], (int) raw[4],
                (int) raw[5], (int) raw[6]);
    }
}
