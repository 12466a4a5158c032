// SPDX-License-Identifier: Apache-2.0
package espalier;

import java.util.List;

/**
 * What the trainer counted at the nodes that test each value.
 *
 * @param unit what was counted
 * @param values by {@link Node#feature}; 0 where no node tests it
 */
public record Covers(Unit unit, List<Double> values) {
    /** What covers count. */
    public enum Unit {
        /** Rows of training. */
        ROWS,
        /** Their weights, which are 1 unless training was given others. */
        WEIGHTS,
        /** At rows of training, second derivatives of the loss. */
        HESSIANS
    }
}
