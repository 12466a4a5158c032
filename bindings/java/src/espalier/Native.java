// SPDX-License-Identifier: Apache-2.0
package espalier;

import java.nio.charset.StandardCharsets;

/** What espalier_jni.c implements. Nothing here is checked: the public classes do that. */
final class Native {
    static final int ARGUMENT = 10;
    static final int OUTPUT_KIND = 12;
    static final int DTYPE = 14;
    static final int STRIDE = 15;
    static final int MISSING = 17;
    static final int INFINITE = 18;
    static final int CATEGORY = 30;

    static {
        String path = System.getProperty("espalier.library");
        if (path != null) {
            System.load(path);
        } else {
            System.loadLibrary("espalier_jni");
        }
    }

    private Native() {}

    static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }

    static native byte[] version();

    static native byte[] statusName(int status);

    static native byte[] statusMessage(int status);

    static native long open(byte[] path, long flags, long visitsPerRowMax);

    static native long openMemory(byte[] data, long flags, long visitsPerRowMax);

    static native void close(long model);

    static native void verify(long model);

    static native long[] info(long model);

    static native byte[] digest(long model);

    static native long[] output(long model, int kind);

    static native byte[] featureName(long model, int feature);

    static native int labelCount(long model, int output);

    static native Object label(long model, int output, int index);

    static native byte[] metadata(long model);

    static native long create(long model, long flags, int blockRowsMax, int iterationFirst,
            int iterationCount);

    static native void destroy(long predictor);

    static native byte[] kernel(long predictor);

    static native int predict(long predictor, int kind, Object rows, int dtype, long first,
            long rowCount, long featureCount, long rowStride, long featureStride, Object out,
            long outFirst, long outCount, int outBytes, long[] place);
}
