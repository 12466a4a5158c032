// SPDX-License-Identifier: Apache-2.0

/**
 * Predicts with tree ensembles of scikit-learn, XGBoost and LightGBM straight from a memory-mapped
 * file, bit for bit as the trainer does. Wraps the C library through JNI; Java 17 or newer.
 *
 * <p>The native part is {@code libespalier_jni.so}, found in {@code java.library.path} or named by
 * the property {@code espalier.library}.
 */
package espalier;
