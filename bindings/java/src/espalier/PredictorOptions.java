// SPDX-License-Identifier: Apache-2.0
package espalier;

/**
 * How to make a predictor.
 *
 * @param leaf prepare for {@link Output#LEAF}, which is refused otherwise
 * @param unchecked do not look for values that the trainer would refuse
 * @param blockRowsMax rows walked together at most; 0: chosen from the model
 * @param iterationFirst the first iteration
 * @param iterationCount iterations; 0: the model's default range
 */
public record PredictorOptions(boolean leaf, boolean unchecked, int blockRowsMax,
        int iterationFirst, int iterationCount) {
    /** Everything that the model gives, but leaves. */
    public static final PredictorOptions DEFAULT = new PredictorOptions(false, false, 0, 0, 0);
    /** With leaves. */
    public static final PredictorOptions LEAVES = new PredictorOptions(true, false, 0, 0, 0);

    long flags() {
        return (unchecked ? 1 : 0) | (leaf ? 2 : 0);
    }
}
