// SPDX-License-Identifier: Apache-2.0
package espalier;

/** What a node calls missing. */
public enum Missing {
    /** NaN. */
    NAN,
    /** Nothing: NaN counts as 0 and is compared. */
    NEVER,
    /** NaN and magnitudes of at most 1e-35. */
    ZERO
}
