// SPDX-License-Identifier: Apache-2.0
package espalier;

/**
 * How a slot stands.
 *
 * @param version that serves: of a store its number; of a path 1, 2, ... as it changed
 * @param changed a model was published; otherwise the file was the same
 * @param heldCount old models that readers still hold
 */
public record SlotState(long version, boolean changed, int heldCount) {
    static SlotState of(long[] raw) {
        return new SlotState(raw[0], raw[1] != 0, (int) raw[2]);
    }
}
