// SPDX-License-Identifier: Apache-2.0
package espalier;

import java.lang.ref.Cleaner;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * An open model file. Any number of threads may use one. Close it when it is done with; its
 * predictors go on working, and the last of them frees it. What is never closed is freed after the
 * collector found it.
 */
public final class Model implements AutoCloseable {
    static final Cleaner CLEANER = Cleaner.create();

    /** The C model, and how many use it. */
    static final class Owned {
        final long address;
        final long bare; // the same without what it was opened from
        private final AtomicInteger users = new AtomicInteger(1);

        Owned(long address) {
            this.address = address;
            this.bare = Native.bare(address);
        }

        void retain() {
            users.incrementAndGet();
        }

        void release() {
            if (users.decrementAndGet() == 0) {
                Native.close(address);
            }
        }
    }

    private Owned owned;
    private final Cleaner.Cleanable cleanable;

    private Model(long address) {
        Owned created = new Owned(address);
        owned = created;
        cleanable = CLEANER.register(this, created::release);
    }

    /** Maps the file: a few system calls, however large the model is. */
    public static Model open(Path path) {
        return open(path, OpenOptions.DEFAULT);
    }

    /** The same with options. */
    public static Model open(Path path, OpenOptions options) {
        byte[] name = (path + "\0").getBytes(StandardCharsets.UTF_8);
        return new Model(Native.open(name, options.flags(), options.visitsPerRowMax()));
    }

    /** A model in memory, which is copied once. */
    public static Model open(byte[] data, OpenOptions options) {
        return new Model(Native.openMemory(data, options.flags(), options.visitsPerRowMax()));
    }

    private long address() {
        if (owned == null) {
            throw new IllegalStateException("the model is closed");
        }
        return owned.address;
    }

    /** Gives the model up; again, it does nothing. */
    @Override
    public synchronized void close() {
        if (owned != null) {
            owned = null;
            cleanable.clean();
        }
    }

    /** Reads and checks the whole file: sections, padding, every index, and the golden rows. */
    public synchronized void verify() {
        Native.verify(address());
    }

    /** Figures of the model. */
    public synchronized Info info() {
        long[] raw = Native.info(address());
        return new Info(raw[0], (int) raw[1], (int) raw[2], raw[3], (int) raw[4],
                Output.of((int) raw[5]), raw[6] != 0, raw[7] != 0, (int) raw[8],
                HexFormat.of().formatHex(Native.digest(address())));
    }

    /** The shape of an output; empty when the model has no such output. */
    public synchronized Optional<OutputInfo> output(Output kind) {
        address();
        return outputOf(owned.bare, kind);
    }

    static Optional<OutputInfo> outputOf(long bare, Output kind) {
        long[] raw = Native.output(bare, kind.code);
        if (raw == null) {
            return Optional.empty();
        }
        return Optional.of(new OutputInfo(Dtype.of(raw[0]), Math.toIntExact(raw[1]), (int) raw[2]));
    }

    /** The name of a feature; empty when the model has no names or not as many features. */
    public synchronized Optional<String> featureName(int feature) {
        return Optional.ofNullable(Native.featureName(address(), feature)).map(Native::text);
    }

    /**
     * The labels that {@link Output#CLASS} counts, of one of the trainer's outputs: Long (unsigned
     * ones as their bits), Double, Boolean or String, as the trainer had them.
     */
    public synchronized List<Object> labels(int output) {
        int count = Native.labelCount(address(), output);
        List<Object> labels = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            Object label = Native.label(address(), output, i);
            labels.add(label instanceof byte[] utf8 ? Native.text(utf8) : label);
        }
        return labels;
    }

    /** The categories of text of a feature by their numbers; empty: it takes numbers only. */
    public synchronized List<String> categories(int feature) {
        List<String> names = new ArrayList<>();
        for (byte[] name : Native.categories(address(), feature)) {
            names.add(Native.text(name));
        }
        return names;
    }

    /**
     * Binds columns by name: of each feature, in the model's order, the index of its name among
     * these. Throws with the first name that is missing, unknown or there twice, and when the model
     * has no names.
     */
    public synchronized int[] featureOrder(List<String> names) {
        StringBuilder text = new StringBuilder();
        for (String name : names) {
            if (name.indexOf('\0') >= 0) {
                throw new IllegalArgumentException("a NUL in a name");
            }
            text.append(name).append('\0');
        }
        long address = address();
        int[] order = new int[info().featureCount()];
        int[] missing = new int[1];
        int status = Native.featureOrder(address, text.toString().getBytes(StandardCharsets.UTF_8),
                names.size(), order, missing);
        if (status == Native.FEATURE_COUNT) {
            throw new EspalierException(status, "there is no column '"
                    + featureName(missing[0]).orElse("") + "': ");
        }
        if (status != 0) {
            throw new EspalierException(status, "names of columns: ");
        }
        checkLeft(names, order);
        return order;
    }

    /** Refuses a name that is left over: another one was bound, or it is no feature's. */
    private static void checkLeft(List<String> names, int[] order) {
        BitSet bound = new BitSet(names.size());
        for (int place : order) {
            bound.set(place);
        }
        int left = bound.nextClearBit(0);
        if (left < names.size()) {
            String name = names.get(left);
            String what = Collections.frequency(names, name) > 1
                    ? "there are two columns '" : "the model has no feature '";
            throw new EspalierException(Native.FEATURE_COUNT, what + name + "': ");
        }
    }

    /** A tree, below {@code info().treeCount()}. */
    public synchronized Tree tree(int index) {
        return Tree.of(Native.tree(address(), index));
    }

    /**
     * The node at a position of a tree; the root is at 0. In a file that was not verified the
     * children's positions may be anything: bound your walk by the tree's depth.
     */
    public synchronized Node node(int tree, int position) {
        return new Node(Native.node(address(), tree, position));
    }

    /** Whether a value of the node's feature goes left, missing ones and sets included. */
    public synchronized boolean goesLeft(Node node, double value) {
        return Native.goesLeft(address(), node.raw, value);
    }

    /** The trainer's numbers of a tree's leaves, by position; -1 where no leaf is. */
    public synchronized int[] leafNumbers(int tree) {
        return Native.leafNumbers(address(), tree);
    }

    /** The {@code leafWidth} values of a leaf of a tree. */
    public synchronized double[] leafValues(Tree tree, Node leaf) {
        if (!leaf.isLeaf()) {
            throw new IllegalArgumentException("the node is no leaf");
        }
        return Native.leafValues(address(), tree.partIndex(), leaf.leafIndex(), tree.leafWidth());
    }

    /** How many values {@link Node#feature} may name: features, and what is made of them. */
    public synchronized int valueCount() {
        address();
        return Native.valueCount(owned.bare);
    }

    /** What the trainer counted at its nodes; empty where the file keeps no covers. */
    public synchronized Optional<Covers> covers() {
        double[] covers = new double[valueCount()];
        int unit = Native.covers(address(), covers);
        if (unit == 0) {
            return Optional.empty();
        }
        return Optional.of(new Covers(Covers.Unit.values()[unit - 1],
                Arrays.stream(covers).boxed().toList()));
    }

    /** The metadata, JSON text. */
    public synchronized String metadata() {
        return Native.text(Native.metadata(address()));
    }

    /** A predictor with the defaults. */
    public Predictor predictor() {
        return predictor(PredictorOptions.DEFAULT);
    }

    /** A predictor; it allocates all that predictions need. */
    public synchronized Predictor predictor(PredictorOptions options) {
        address();
        return new Predictor(owned, options);
    }

    /** The version of the C library. */
    public static String version() {
        return Native.text(Native.version());
    }
}
