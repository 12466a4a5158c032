// SPDX-License-Identifier: Apache-2.0
package espalier;

/**
 * How to open a model.
 *
 * @param copy read the file into private memory: a file that shrinks later does no harm
 * @param verify check the whole file, as {@link Model#verify}
 * @param prefault fault all pages in
 * @param lock lock all pages in memory
 * @param hugePages a private copy on huge pages, where the kernel grants them
 * @param visitsPerRowMax refuse models whose tree depths add up to more; 0: 2^22
 */
public record OpenOptions(boolean copy, boolean verify, boolean prefault, boolean lock,
        boolean hugePages, long visitsPerRowMax) {
    /** The file mapped, its tables read. */
    public static final OpenOptions DEFAULT =
            new OpenOptions(false, false, false, false, false, 0);
    /** The file mapped and checked as a whole. */
    public static final OpenOptions VERIFIED =
            new OpenOptions(false, true, false, false, false, 0);

    long flags() {
        return (copy ? 1 : 0) | (verify ? 2 : 0) | (prefault ? 4 : 0) | (lock ? 8 : 0)
                | (hugePages ? 16 : 0);
    }
}
