// SPDX-License-Identifier: Apache-2.0
package espalier;

/** What a refresh accepts beside a newer model of the same kind. */
public enum Refresh {
    /** A model whose features, classes or outputs are others. */
    DIFFERENT,
    /** The file that serves already, opened again. */
    ALWAYS,
    /** A version of the store below the one that serves. */
    OLDER;

    static long flags(Refresh[] accepted) {
        long flags = 0;
        for (Refresh one : accepted) {
            flags |= 1L << one.ordinal();
        }
        return flags;
    }
}
