// SPDX-License-Identifier: Apache-2.0
package espalier;

/** A failed prediction. The rows before a refused one are written. */
public final class PredictException extends EspalierException {
    private static final long serialVersionUID = 1;

    private final int rowsWritten;
    private final int row;
    private final int feature;

    PredictException(int status, int rowsWritten, int row, int feature) {
        super(status, isByRow(status) ? "row " + row + ", feature " + feature + ": " : "");
        this.rowsWritten = rowsWritten;
        this.row = row;
        this.feature = feature;
    }

    private static boolean isByRow(int status) {
        return status == Native.MISSING || status == Native.INFINITE || status == Native.CATEGORY;
    }

    /** Whether a value was refused, which {@link #row} and {@link #feature} name. */
    public boolean isRefused() {
        return isByRow(status());
    }

    /** Rows that were written. */
    public int rowsWritten() {
        return rowsWritten;
    }

    /** Index of the refused row. */
    public int row() {
        return row;
    }

    /** Index of the refused feature. */
    public int feature() {
        return feature;
    }
}
