// SPDX-License-Identifier: Apache-2.0
package espalier;

import java.nio.charset.StandardCharsets;

/** What espalier_jni.c implements. Nothing here is checked: the public classes do that. */
final class Native {
    static final int ARGUMENT = 10;
    static final int OUTPUT_KIND = 12;
    static final int FEATURE_COUNT = 13;
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

    static native long bare(long model);

    static native long[] output(long bare, int kind);

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

    static native int values(long predictor, Object rows, int dtype, long rowCount,
            long featureCount, long rowStride, long featureStride, double[] found);

    static native long columnsMake(int featureCount, int rowCount, int dtype);

    static native void columnsSet(long columns, int index, int dtype, Object data, int itemBytes,
            byte[] text, byte[] validity);

    static native void columnsFree(long columns);

    static native int predictColumns(long predictor, int kind, long columns, Object out, int dtype,
            int width, int outCount, long[] place);

    static native byte[][] categories(long model, int feature);

    static native int featureOrder(long model, byte[] names, int nameCount, int[] order,
            int[] missing);

    static native long slotOpen(byte[] path, long flags, int readerCountMax, long versionMin,
            long openFlags, long visitsPerRowMax, long predictorFlags, int blockRowsMax,
            int iterationFirst, int iterationCount);

    static native void slotClose(long slot);

    static native long[] slotRefresh(long slot, long flags);

    static native long[] slotCollect(long slot);

    static native long slotRegister(long slot);

    static native void slotUnregister(long reader);

    static native int slotAcquire(long reader, long[] lease);

    static native void slotRelease(long reader);

    static native long slotWarm(long reader, long bytesMax);

    static native long[] tree(long model, int tree);

    static native long[] node(long model, int tree, int position);

    static native boolean goesLeft(long model, long[] node, double value);

    static native int[] leafNumbers(long model, int tree);

    static native double[] leafValues(long model, int part, int leaf, int width);

    static native int valueCount(long bare);

    static native int covers(long model, double[] covers);
}
