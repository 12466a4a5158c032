// SPDX-License-Identifier: Apache-2.0
package espalier;

/**
 * How to open a slot.
 *
 * @param sealed copy each model to a sealed memory file first (Linux)
 * @param readerCountMax readers at most, up to 4,096; 0: 64
 * @param versionMin of a store: refuse versions below
 * @param open how each model is opened
 * @param predictor how each reader's predictors are made
 */
public record SlotOptions(boolean sealed, int readerCountMax, long versionMin, OpenOptions open,
        PredictorOptions predictor) {
    /** Models mapped, all pages faulted in. */
    public static final SlotOptions DEFAULT = new SlotOptions(false, 0, 0,
            new OpenOptions(false, false, true, false, false, 0), PredictorOptions.DEFAULT);
}
