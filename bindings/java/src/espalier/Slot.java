// SPDX-License-Identifier: Apache-2.0
package espalier;

import java.lang.ref.Cleaner;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The current model of a path or store, swapped while it serves. Any number of threads may use one;
 * calls that change something wait for each other. What is never closed is closed after the
 * collector found it.
 */
public final class Slot implements AutoCloseable {
    /** The C slot, and how many use it; its monitor lets one call change it at a time. */
    static final class Owned {
        final long address;
        private int users = 1;

        Owned(long address) {
            this.address = address;
        }

        synchronized long register() {
            long reader = Native.slotRegister(address);
            users++;
            return reader;
        }

        synchronized void unregister(long reader) {
            Native.slotUnregister(reader);
            release();
        }

        synchronized void release() {
            users--;
            if (users == 0) {
                Native.slotClose(address);
            }
        }
    }

    private Owned owned;
    private final Cleaner.Cleanable cleanable;

    private Slot(long address) {
        Owned created = new Owned(address);
        owned = created;
        cleanable = Model.CLEANER.register(this, created::release);
    }

    /** Opens the model of a store's folder, or a model's file. */
    public static Slot open(Path path) {
        return open(path, SlotOptions.DEFAULT);
    }

    /** The same with options. */
    public static Slot open(Path path, SlotOptions options) {
        byte[] name = (path + "\0").getBytes(StandardCharsets.UTF_8);
        OpenOptions open = options.open();
        PredictorOptions predictor = options.predictor();
        return new Slot(Native.slotOpen(name, options.sealed() ? 1 : 0, options.readerCountMax(),
                options.versionMin(), open.flags(), open.visitsPerRowMax(), predictor.flags(),
                predictor.blockRowsMax(), predictor.iterationFirst(),
                predictor.iterationCount()));
    }

    private Owned owned() {
        if (owned == null) {
            throw new IllegalStateException("the slot is closed");
        }
        return owned;
    }

    /** Gives the slot up; its readers go on working. Again, it does nothing. */
    @Override
    public synchronized void close() {
        if (owned != null) {
            owned = null;
            cleanable.clean();
        }
    }

    /**
     * Looks at the path again and publishes what is new there. On failure the old model goes on
     * serving. It waits for no reader.
     */
    public synchronized SlotState refresh(Refresh... accepted) {
        Owned mine = owned();
        synchronized (mine) {
            return SlotState.of(Native.slotRefresh(mine.address, Refresh.flags(accepted)));
        }
    }

    /** Closes old models that no reader holds any more. */
    public synchronized SlotState collect() {
        Owned mine = owned();
        synchronized (mine) {
            return SlotState.of(Native.slotCollect(mine.address));
        }
    }

    /** Registers a reader with predictors of its own: each thread one, once. */
    public synchronized Reader reader() {
        return new Reader(owned());
    }
}
