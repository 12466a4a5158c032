// SPDX-License-Identifier: Apache-2.0
package espalier;

/**
 * The shape of one kind of output.
 *
 * @param dtype the type of its elements
 * @param width elements per row
 * @param groupCount probabilities of several outputs: groups side by side, else 1
 */
public record OutputInfo(Dtype dtype, int width, int groupCount) {}
