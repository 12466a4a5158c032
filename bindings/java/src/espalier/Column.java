// SPDX-License-Identifier: Apache-2.0
package espalier;

import java.nio.charset.StandardCharsets;
import java.util.List;

/** The values of one feature in all rows, of one of Java's types or strings. */
public final class Column {
    private static final int FLOAT32 = 1;
    private static final int FLOAT64 = 2;
    private static final int INT32 = 3;
    private static final int INT64 = 4;
    private static final int INT8 = 5;
    private static final int INT16 = 6;
    private static final int BOOL = 11;
    private static final int STRING64 = 14;

    final int count;
    final int dtype;
    final Object data; // numbers, or of strings where each begins in `text`, and the end
    final int itemBytes;
    final byte[] text;
    final byte[] validity; // bits, least significant first, or null

    private Column(int count, int dtype, Object data, int itemBytes, byte[] text,
            byte[] validity) {
        this.count = count;
        this.dtype = dtype;
        this.data = data;
        this.itemBytes = itemBytes;
        this.text = text;
        this.validity = validity;
    }

    /** Numbers, one a row. NaN is missing. */
    public static Column of(float[] values) {
        return new Column(values.length, FLOAT32, values, 4, null, null);
    }

    /** Numbers, one a row. NaN is missing. */
    public static Column of(double[] values) {
        return new Column(values.length, FLOAT64, values, 8, null, null);
    }

    /** Numbers, one a row. */
    public static Column of(byte[] values) {
        return new Column(values.length, INT8, values, 1, null, null);
    }

    /** Numbers, one a row. */
    public static Column of(short[] values) {
        return new Column(values.length, INT16, values, 2, null, null);
    }

    /** Numbers, one a row. */
    public static Column of(int[] values) {
        return new Column(values.length, INT32, values, 4, null, null);
    }

    /** Numbers, one a row. */
    public static Column of(long[] values) {
        return new Column(values.length, INT64, values, 8, null, null);
    }

    /** Flags, one a row: 0 and 1. */
    public static Column of(boolean[] values) {
        return new Column(values.length, BOOL, values, 1, null, null);
    }

    /** Strings, one a row, for a feature whose categories are text; null is missing. */
    public static Column texts(List<String> values) {
        byte[][] parts = new byte[values.size()][];
        boolean[] valid = new boolean[values.size()];
        long[] ends = new long[values.size() + 1];
        for (int i = 0; i < parts.length; i++) {
            String value = values.get(i);
            valid[i] = value != null;
            parts[i] = valid[i] ? value.getBytes(StandardCharsets.UTF_8) : new byte[0];
            ends[i + 1] = ends[i] + parts[i].length;
        }
        byte[] text = new byte[Math.toIntExact(ends[parts.length])];
        for (int i = 0; i < parts.length; i++) {
            System.arraycopy(parts[i], 0, text, (int) ends[i], parts[i].length);
        }
        return new Column(parts.length, STRING64, ends, 8, text, null).validWhere(valid);
    }

    /** The column with the rows missing whose flag is false. There is a flag for each row. */
    public Column validWhere(boolean[] valid) {
        if (valid.length != count) {
            throw new IllegalArgumentException(valid.length + " flags for " + count + " rows");
        }
        byte[] bits = new byte[count / 8 + 1];
        for (int i = 0; i < count; i++) {
            if (valid[i]) {
                bits[i / 8] |= (byte) (1 << (i % 8));
            }
        }
        return new Column(count, dtype, data, itemBytes, text, bits);
    }
}
