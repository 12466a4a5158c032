// SPDX-License-Identifier: Apache-2.0
package espalier;

/**
 * Figures of a model.
 *
 * @param fileBytes the size of the file
 * @param featureCount features of a row
 * @param treeCount trees
 * @param nodeCount the trainer's nodes, leaves included
 * @param outputCount the trainer's outputs
 * @param defaultOutput what the trainer's own predict gives
 * @param missingAllowed NaN means missing; otherwise it is refused
 * @param infiniteAllowed infinity is a number like others; otherwise it is refused
 * @param iterationCount iterations; a forest counts each tree as one
 * @param rootDigest what the file says its digest is, 64 hexadecimal digits
 */
public record Info(long fileBytes, int featureCount, int treeCount, long nodeCount, int outputCount,
        Output defaultOutput, boolean missingAllowed, boolean infiniteAllowed, int iterationCount,
        String rootDigest) {}
