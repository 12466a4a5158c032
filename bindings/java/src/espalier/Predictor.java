// SPDX-License-Identifier: Apache-2.0
package espalier;

import java.lang.ref.Cleaner;
import java.util.EnumMap;
import java.util.Map;

/**
 * Predicts with one model. Its methods are synchronized: make one per thread, so that threads do
 * not wait for each other. It keeps its model's memory until it is closed itself.
 */
public final class Predictor implements AutoCloseable {
    /** While C has the arrays the collector may have to wait: so it has them for few rows. */
    private static final int ROWS_PER_CALL = 4096;

    private long address;
    private final Map<Output, OutputInfo> outputs = new EnumMap<>(Output.class);
    private final long[] place = new long[3];
    private final Cleaner.Cleanable cleanable; // null: a reader's
    private int valueCount;
    private long knownAddress; // whose outputs these are, and of which version
    private long knownVersion;

    Predictor(Model.Owned model, PredictorOptions options) {
        long created = Native.create(model.address, options.flags(), options.blockRowsMax(),
                options.iterationFirst(), options.iterationCount());
        address = created;
        model.retain();
        cleanable = Model.CLEANER.register(this, () -> {
            Native.destroy(created);
            model.release();
        });
        learn(model.bare);
    }

    /** One that a reader lends. */
    Predictor() {
        cleanable = null;
    }

    private void learn(long bare) {
        outputs.clear();
        for (Output kind : Output.values()) {
            Model.outputOf(bare, kind).ifPresent(info -> outputs.put(kind, info));
        }
        valueCount = Native.valueCount(bare);
    }

    synchronized void lend(long bare, long lent, long version) {
        if (lent != knownAddress || version != knownVersion) {
            learn(bare);
            knownAddress = lent;
            knownVersion = version;
        }
        address = lent;
    }

    /** Waits for predictions of other threads. */
    synchronized void takeBack() {
        address = 0;
    }

    /** Frees the predictor; again, it does nothing. One that a reader lends is the reader's. */
    @Override
    public synchronized void close() {
        if (cleanable == null) {
            throw new IllegalStateException("the predictor is a reader's");
        }
        if (address != 0) {
            address = 0;
            cleanable.clean();
        }
    }

    /** What computes the first part, for example {@code "walk, 8-byte nodes, avx2"}. */
    public synchronized String kernel() {
        requireOpen();
        return Native.text(Native.kernel(address));
    }

    /**
     * Writes {@code rows.rowCount()} times {@code width} elements to {@code out}, row after row,
     * and leaves the rest of it alone. Allocates nothing unless it throws.
     */
    public synchronized void predict(Output kind, Rows rows, double[] out) {
        predictTo(kind, rows, out, out.length, Dtype.FLOAT64, 8);
    }

    /** The same for an output of float. */
    public synchronized void predict(Output kind, Rows rows, float[] out) {
        predictTo(kind, rows, out, out.length, Dtype.FLOAT32, 4);
    }

    /** The same for classes. */
    public synchronized void predict(Output kind, Rows rows, int[] out) {
        predictTo(kind, rows, out, out.length, Dtype.INT32, 4);
    }

    /** The same for leaves. */
    public synchronized void predict(Output kind, Rows rows, long[] out) {
        predictTo(kind, rows, out, out.length, Dtype.INT64, 8);
    }

    /** An output of double in a new array. */
    public double[] predictDoubles(Output kind, Rows rows) {
        double[] out = new double[length(kind, rows)];
        predict(kind, rows, out);
        return out;
    }

    /** An output of float in a new array. */
    public float[] predictFloats(Output kind, Rows rows) {
        float[] out = new float[length(kind, rows)];
        predict(kind, rows, out);
        return out;
    }

    /** Classes in a new array: indices into {@link Model#labels}. */
    public int[] predictClasses(Rows rows) {
        int[] out = new int[length(Output.CLASS, rows)];
        predict(Output.CLASS, rows, out);
        return out;
    }

    /** Leaves in a new array. */
    public long[] predictLeaves(Rows rows) {
        long[] out = new long[length(Output.LEAF, rows)];
        predict(Output.LEAF, rows, out);
        return out;
    }

    /** Columns, as {@link #predict(Output, Rows, double[])}. */
    public synchronized void predict(Output kind, Columns columns, double[] out) {
        predictTo(kind, columns, out, out.length, Dtype.FLOAT64);
    }

    /** The same for an output of float. */
    public synchronized void predict(Output kind, Columns columns, float[] out) {
        predictTo(kind, columns, out, out.length, Dtype.FLOAT32);
    }

    /** The same for classes. */
    public synchronized void predict(Output kind, Columns columns, int[] out) {
        predictTo(kind, columns, out, out.length, Dtype.INT32);
    }

    /** The same for leaves. */
    public synchronized void predict(Output kind, Columns columns, long[] out) {
        predictTo(kind, columns, out, out.length, Dtype.INT64);
    }

    /**
     * What nodes compare for the first of the rows, by {@link Node#feature}. NaN is missing, or a
     * value that no node asks for.
     */
    public synchronized double[] values(Rows rows) {
        requireOpen();
        double[] found = new double[valueCount];
        int status = Native.values(address, rows.values, rows.dtype.code(), rows.rowCount,
                rows.featureCount, rows.rowStride, rows.featureStride, found);
        if (status != 0) {
            throw new PredictException(status, 0, 0, 0);
        }
        return found;
    }

    private void requireOpen() {
        if (address == 0) {
            throw new IllegalStateException("the predictor is closed");
        }
    }

    private int length(Output kind, Rows rows) {
        OutputInfo info = outputs.get(kind);
        if (info == null) {
            throw new PredictException(Native.OUTPUT_KIND, 0, 0, 0);
        }
        long length = (long) info.width() * rows.rowCount;
        if (length > Integer.MAX_VALUE - 8) {
            throw new PredictException(Native.STRIDE, 0, 0, 0);
        }
        return (int) length;
    }

    private void predictTo(Output kind, Columns columns, Object out, int outLength, Dtype dtype) {
        requireOpen();
        OutputInfo info = outputs.get(kind);
        if (info != null && info.dtype() != dtype) {
            throw new PredictException(Native.DTYPE, 0, 0, 0);
        }
        int width = info == null ? 0 : info.width();
        long needed = (long) width * columns.rowCount();
        long raw = columns.acquire();
        int status;
        try {
            status = Native.predictColumns(address, kind.code, raw, out, dtype.code(), width,
                    (int) Math.min(needed, outLength), place);
        } finally {
            columns.release();
        }
        if (status != 0) {
            throw new PredictException(status, (int) place[0], (int) place[1], (int) place[2]);
        }
    }

    private void predictTo(Output kind, Rows rows, Object out, int outLength, Dtype dtype,
            int bytes) {
        requireOpen();
        OutputInfo info = outputs.get(kind);
        if (info != null && info.dtype() != dtype) {
            throw new PredictException(Native.DTYPE, 0, 0, 0);
        }
        int width = info == null ? 0 : info.width();
        int done = 0;
        do {
            int count = Math.min(ROWS_PER_CALL, rows.rowCount - done);
            long outFirst = Math.min((long) done * width, outLength);
            int status = Native.predict(address, kind.code, rows.values, rows.dtype.code(),
                    (long) done * rows.rowStride, count, rows.featureCount, rows.rowStride,
                    rows.featureStride, out, outFirst, outLength - outFirst, bytes, place);
            if (status != 0) {
                throw new PredictException(status, done + (int) place[0], done + (int) place[1],
                        (int) place[2]);
            }
            done += count;
        } while (done < rows.rowCount);
    }
}
