// SPDX-License-Identifier: Apache-2.0
package espalier;

/** A view of rows in an array of float or double, which must not change during a prediction. */
public final class Rows {
    final Object values;
    final Dtype dtype;
    final int rowCount;
    final int featureCount;
    final int rowStride;
    final int featureStride;

    private Rows(Object values, Dtype dtype, int rowCount, int featureCount, int rowStride,
            int featureStride) {
        this.values = values;
        this.dtype = dtype;
        this.rowCount = rowCount;
        this.featureCount = featureCount;
        this.rowStride = rowStride;
        this.featureStride = featureStride;
    }

    /** All values are one row. */
    public static Rows one(float[] values) {
        return new Rows(values, Dtype.FLOAT32, 1, values.length, values.length, 1);
    }

    /** All values are one row. */
    public static Rows one(double[] values) {
        return new Rows(values, Dtype.FLOAT64, 1, values.length, values.length, 1);
    }

    /** Row after row. The values must fill whole rows. */
    public static Rows rowMajor(float[] values, int featureCount) {
        int rowCount = whole(values.length, featureCount);
        return new Rows(values, Dtype.FLOAT32, rowCount, featureCount, featureCount, 1);
    }

    /** Row after row. The values must fill whole rows. */
    public static Rows rowMajor(double[] values, int featureCount) {
        int rowCount = whole(values.length, featureCount);
        return new Rows(values, Dtype.FLOAT64, rowCount, featureCount, featureCount, 1);
    }

    /** Feature after feature, {@code rowCount} values each. */
    public static Rows columnMajor(float[] values, int rowCount) {
        int featureCount = whole(values.length, rowCount);
        return new Rows(values, Dtype.FLOAT32, rowCount, featureCount, 1, rowCount);
    }

    /** Feature after feature, {@code rowCount} values each. */
    public static Rows columnMajor(double[] values, int rowCount) {
        int featureCount = whole(values.length, rowCount);
        return new Rows(values, Dtype.FLOAT64, rowCount, featureCount, 1, rowCount);
    }

    /** The number of rows. */
    public int rowCount() {
        return rowCount;
    }

    private static int whole(int length, int each) {
        if (each < 0 || (each == 0 ? length != 0 : length % each != 0)) {
            throw new IllegalArgumentException(length + " values are no multiple of " + each);
        }
        return each == 0 ? 0 : length / each;
    }
}
