// SPDX-License-Identifier: Apache-2.0
package espalier;

import java.lang.ref.Cleaner;

/**
 * Reads a slot. Its methods are synchronized: register one per thread, once and not for each
 * request.
 */
public final class Reader implements AutoCloseable {
    /** What is done with the current model. */
    @FunctionalInterface
    public interface Use<T> {
        /** Predicts; the predictor is closed afterwards, so do not keep it. */
        T with(Predictor predictor, long version);
    }

    private long address;
    private final long[] lease = new long[3];
    private final Predictor predictor = new Predictor();
    private final Cleaner.Cleanable cleanable;
    private boolean isUsed;

    Reader(Slot.Owned slot) {
        long created = slot.register();
        address = created;
        cleanable = Model.CLEANER.register(this, () -> slot.unregister(created));
    }

    /**
     * Calls {@code use} with a predictor of the current model, which is held meanwhile: for one
     * request, not for ever. The version is that of {@link SlotState}.
     */
    public synchronized <T> T use(Use<T> use) {
        if (address == 0 || isUsed) {
            throw new IllegalStateException(isUsed ? "the reader is used" : "the reader is closed");
        }
        int status = Native.slotAcquire(address, lease);
        if (status != 0) {
            throw new EspalierException(status, "lease: ");
        }
        isUsed = true;
        try {
            predictor.lend(lease[0], lease[1], lease[2]);
            return use.with(predictor, lease[2]);
        } finally {
            predictor.takeBack();
            isUsed = false;
            Native.slotRelease(address);
        }
    }

    /**
     * When it has answered: fetches a model that was published since into the caches of this core,
     * at most {@code bytesMax} (0: 1 MiB) of it; returns how many bytes, 0 when nothing was new.
     */
    public synchronized long warm(long bytesMax) {
        if (address == 0 || isUsed || bytesMax < 0) {
            throw new IllegalStateException("closed, used, or bytesMax is negative");
        }
        return Native.slotWarm(address, bytesMax);
    }

    /** Gives the reader back; again, it does nothing. Not inside {@link #use}. */
    @Override
    public synchronized void close() {
        if (isUsed) {
            throw new IllegalStateException("the reader is used");
        }
        if (address != 0) {
            address = 0;
            cleanable.clean();
        }
    }
}
