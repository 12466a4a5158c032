// SPDX-License-Identifier: Apache-2.0
package espalier;

/** A kind of prediction; a model has some of them. */
public enum Output {
    /** The decision function, before the link. */
    MARGIN(1),
    /** One per class. */
    PROBABILITY(2),
    /** {@code int}: an index into {@link Model#labels}. */
    CLASS(3),
    /** {@code predict} of a regressor, and of a Booster of any kind. */
    VALUE(4),
    /** {@code long}: the trainer's node in every tree. Wants {@link PredictorOptions#leaf}. */
    LEAF(5),
    /** The anomaly score. */
    SCORE(6);

    final int code;

    Output(int code) {
        this.code = code;
    }

    static Output of(int code) {
        for (Output one : values()) {
            if (one.code == code) {
                return one;
            }
        }
        return null;
    }
}
