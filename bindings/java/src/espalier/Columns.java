// SPDX-License-Identifier: Apache-2.0
package espalier;

import java.lang.ref.Cleaner;
import java.util.List;

/**
 * Rows as columns, one for each feature in the model's order (see {@link Model#featureOrder}): a
 * copy in C's memory, which any number of predictors may read. Close it when it is done with; what
 * is never closed is freed after the collector found it.
 */
public final class Columns implements AutoCloseable {
    private final int rowCount;
    private final Cleaner.Cleanable cleanable;
    private long address;
    private int users; // predictions that read it; the address is not freed meanwhile

    private Columns(long address, int rowCount) {
        this.address = address;
        this.rowCount = rowCount;
        cleanable = Model.CLEANER.register(this, () -> Native.columnsFree(address));
    }

    /** Copies the columns, all of the same length. */
    public static Columns of(List<Column> columns) {
        return of(columns, 0);
    }

    /**
     * The same, standing for rows of {@link Dtype#FLOAT32} or {@link Dtype#FLOAT64}, as if all were
     * one array of that: whole numbers are rounded to it once. Without it they are what NumPy makes
     * of such columns.
     */
    public static Columns of(List<Column> columns, Dtype dtype) {
        if (dtype != Dtype.FLOAT32 && dtype != Dtype.FLOAT64) {
            throw new IllegalArgumentException("rows are FLOAT32 or FLOAT64, not " + dtype);
        }
        return of(columns, dtype.code());
    }

    private static Columns of(List<Column> columns, int dtype) {
        int rowCount = columns.isEmpty() ? 0 : columns.get(0).count;
        for (Column column : columns) {
            if (column.count != rowCount) {
                throw new IllegalArgumentException("columns of " + rowCount + " and of "
                        + column.count + " rows");
            }
        }
        Columns made = new Columns(Native.columnsMake(columns.size(), rowCount, dtype), rowCount);
        for (int i = 0; i < columns.size(); i++) {
            Column column = columns.get(i);
            Native.columnsSet(made.address, i, column.dtype, column.data, column.itemBytes,
                    column.text, column.validity);
        }
        return made;
    }

    /** The number of rows. */
    public int rowCount() {
        return rowCount;
    }

    /** Frees the copy, after predictions that read it; again, it does nothing. */
    @Override
    public synchronized void close() {
        address = 0;
        cleanWhenUnused();
    }

    private void cleanWhenUnused() {
        if (address == 0 && users == 0) {
            cleanable.clean();
        }
    }

    /** The address, until {@link #release}. */
    synchronized long acquire() {
        if (address == 0) {
            throw new IllegalStateException("the columns are closed");
        }
        users++;
        return address;
    }

    synchronized void release() {
        users--;
        cleanWhenUnused();
    }
}
