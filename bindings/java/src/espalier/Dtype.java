// SPDX-License-Identifier: Apache-2.0
package espalier;

/** The type of an output's elements, or of rows. */
public enum Dtype {
    /** {@code float} */
    FLOAT32,
    /** {@code double} */
    FLOAT64,
    /** {@code int} */
    INT32,
    /** {@code long} */
    INT64;

    int code() {
        return ordinal() + 1;
    }

    static Dtype of(long code) {
        return values()[(int) code - 1];
    }
}
