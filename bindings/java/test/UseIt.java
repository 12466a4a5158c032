// SPDX-License-Identifier: Apache-2.0

import espalier.Column;
import espalier.Columns;
import espalier.Covers;
import espalier.Dtype;
import espalier.EspalierException;
import espalier.Model;
import espalier.Node;
import espalier.OpenOptions;
import espalier.Output;
import espalier.PredictException;
import espalier.Predictor;
import espalier.PredictorOptions;
import espalier.Reader;
import espalier.Refresh;
import espalier.Rows;
import espalier.Slot;
import espalier.SlotOptions;
import espalier.SlotState;
import espalier.Tree;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * The package's own promises: who owns what, threads, refusals. That the numbers are right is what
 * tests/bindings/run_bindings.py compares. The argument is the iris forest.
 */
public final class UseIt {
    private static final double[] ROW = {6.3, 2.5, 4.9, 1.5};
    private static int failures;

    private UseIt() {}

    private static void check(String what, boolean holds) {
        if (!holds) {
            System.err.println("UseIt: " + what);
            failures++;
        }
    }

    /** The name of the status or exception that a call throws. */
    private static String thrown(Runnable call) {
        try {
            call.run();
        } catch (EspalierException error) {
            return error.statusName().replace("ESPALIER_ERROR_", "");
        } catch (RuntimeException error) {
            return error.getClass().getSimpleName();
        }
        return "nothing";
    }

    private static double[] probabilities(Predictor predictor) {
        return predictor.predictDoubles(Output.PROBABILITY, Rows.one(ROW));
    }

    private static void checkOwnership(Path path) {
        Model model = Model.open(path);
        Predictor predictor = model.predictor();
        double[] expected = probabilities(predictor);
        model.close();
        model.close();
        check("a predictor outlives its model", Arrays.equals(expected, probabilities(predictor)));
        check("closed model", thrown(model::info).equals("IllegalStateException"));
        check("closed model", thrown(model::predictor).equals("IllegalStateException"));
        predictor.close();
        predictor.close();
        check("closed predictor",
                thrown(() -> probabilities(predictor)).equals("IllegalStateException"));
    }

    private static void checkThreads(Path path) throws Exception {
        try (Model model = Model.open(path); Predictor own = model.predictor()) {
            double[] expected = probabilities(own);
            var pool = Executors.newFixedThreadPool(4);
            List<Future<Boolean>> results = new ArrayList<>();
            Callable<Boolean> work = () -> {
                boolean holds = true;
                try (Predictor mine = model.predictor()) {
                    for (int i = 0; i < 500; i++) {
                        holds &= Arrays.equals(expected, probabilities(mine));
                        holds &= Arrays.equals(expected, probabilities(own));
                    }
                }
                return holds;
            };
            for (int i = 0; i < 4; i++) {
                results.add(pool.submit(work));
            }
            for (Future<Boolean> result : results) {
                check("threads agree", result.get());
            }
            pool.shutdown();
        }
    }

    private static void checkRefusals(Path path) {
        try (Model model = Model.open(path); Predictor predictor = model.predictor()) {
            // More rows than C is given at once.
            double[] values = new double[4 * 5000];
            for (int i = 0; i < values.length; i++) {
                values[i] = ROW[i % 4];
            }
            values[4 * 4500 + 2] = Double.POSITIVE_INFINITY;
            double[] out = new double[3 * 5000];
            Arrays.fill(out, 7);
            try {
                predictor.predict(Output.PROBABILITY, Rows.rowMajor(values, 4), out);
                check("infinity is refused", false);
            } catch (PredictException error) {
                check("refused place", error.isRefused() && error.row() == 4500
                        && error.feature() == 2 && error.rowsWritten() == 4500);
                check("message", error.getMessage().startsWith("row 4500, feature 2: "));
                double[] one = probabilities(predictor);
                check("rows before", Arrays.equals(one, Arrays.copyOfRange(out, 13497, 13500)));
                check("rows after", out[13500] == 7 && out[14999] == 7);
            }
            Rows row = Rows.one(ROW);
            check("size", thrown(() -> predictor.predict(Output.PROBABILITY, row, new double[2]))
                    .equals("OUTPUT_SIZE"));
            check("dtype", thrown(() -> predictor.predict(Output.PROBABILITY, row, new float[3]))
                    .equals("DTYPE"));
            check("features", thrown(() -> predictor.predictDoubles(Output.PROBABILITY,
                    Rows.one(new double[3]))).equals("FEATURE_COUNT"));
            check("kind", thrown(() -> predictor.predictDoubles(Output.VALUE, row))
                    .equals("OUTPUT_KIND"));
            check("leaf", thrown(() -> predictor.predictLeaves(row)).equals("OUTPUT_KIND"));
            check("rows", thrown(() -> Rows.rowMajor(ROW, 3)).equals("IllegalArgumentException"));
            check("rows", thrown(() -> Rows.columnMajor(ROW, -4))
                    .equals("IllegalArgumentException"));
            check("iterations", thrown(() -> model.predictor(
                    new PredictorOptions(false, false, 0, 0, 100000))).equals("ARGUMENT"));
            try (Predictor leaves = model.predictor(PredictorOptions.LEAVES)) {
                check("leaves", leaves.predictLeaves(row).length == 200);
            }
        }
    }

    private static void checkOpening(Path path) throws Exception {
        byte[] bytes = Files.readAllBytes(path);
        try (Model file = Model.open(path, OpenOptions.VERIFIED);
                Model memory = Model.open(bytes, OpenOptions.DEFAULT);
                Predictor first = file.predictor();
                Predictor second = memory.predictor()) {
            memory.verify();
            check("memory", Arrays.equals(probabilities(first), probabilities(second)));
            check("info", file.info().equals(memory.info()) && file.info().treeCount() == 200);
            check("labels", file.labels(0).equals(List.of(0L, 1L, 2L)));
            check("no labels", thrown(() -> file.labels(1)).equals("ARGUMENT"));
            check("metadata", file.metadata().contains("RandomForestClassifier"));
            check("no output", file.output(Output.VALUE).isEmpty());
            check("no name", file.featureName(1 << 20).isEmpty());
            check("kernel", !first.kernel().isEmpty() && !Model.version().isEmpty());
        }
        check("half", thrown(() -> Model.open(Arrays.copyOf(bytes, bytes.length / 2),
                OpenOptions.DEFAULT)).equals("TRUNCATED"));
        check("empty", thrown(() -> Model.open(new byte[0], OpenOptions.DEFAULT))
                .equals("NOT_A_MODEL"));
        bytes[20] ^= 1;
        try {
            Model.open(bytes, OpenOptions.DEFAULT).close();
            check("damage is found", false);
        } catch (EspalierException error) {
            check("place", error.formatRule() != 0 && error.fileOffset().isPresent());
        }
        try {
            Model.open(Path.of("no such file")).close();
            check("a missing file is found", false);
        } catch (EspalierException error) {
            check("missing", error.systemErrno() == 2 && error.fileOffset().isEmpty()
                    && error.getMessage().contains("no such file"));
        }
    }

    /** Columns of many types are the rows that they stand for. */
    private static void checkColumns(Path path) {
        List<Column> all = List.of(Column.of(new double[] {6.3, 6.3}),
                Column.of(new float[] {2.5f, 2.5f}), Column.of(new int[] {5, 5}),
                Column.of(new boolean[] {true, false}));
        double[] first = {6.3, 2.5, 5, 1};
        double[] second = {6.3, 2.5, 5, 0};
        try (Model model = Model.open(path); Predictor predictor = model.predictor()) {
            double[] out = new double[6];
            double[] one = predictor.predictDoubles(Output.PROBABILITY, Rows.one(first));
            double[] other = predictor.predictDoubles(Output.PROBABILITY, Rows.one(second));
            Columns columns = Columns.of(all);
            predictor.predict(Output.PROBABILITY, columns, out);
            check("columns", Arrays.equals(one, Arrays.copyOf(out, 3))
                    && Arrays.equals(other, Arrays.copyOfRange(out, 3, 6)));
            int[] classes = new int[2];
            predictor.predict(Output.CLASS, columns, classes);
            check("columns", Arrays.equals(classes, predictor.predictClasses(Rows.rowMajor(
                    new double[] {6.3, 2.5, 5, 1, 6.3, 2.5, 5, 0}, 4))));
            check("size", thrown(() -> predictor.predict(Output.PROBABILITY, columns,
                    new double[5])).equals("OUTPUT_SIZE"));
            check("dtype", thrown(() -> predictor.predict(Output.PROBABILITY, columns,
                    new long[6])).equals("DTYPE"));
            check("kind", thrown(() -> predictor.predict(Output.VALUE, columns, new double[2]))
                    .equals("OUTPUT_KIND"));
            columns.close();
            columns.close();
            check("closed columns", thrown(() -> predictor.predict(Output.CLASS, columns, classes))
                    .equals("IllegalStateException"));
            checkOddColumns(predictor);
            check("no names", thrown(() -> model.featureOrder(List.of("a"))).equals("ARGUMENT"));
            check("no text", model.categories(0).isEmpty() && model.categories(-1).isEmpty());
        }
    }

    /** Of a model whose features have names. */
    private static void checkNames(Path path) {
        try (Model model = Model.open(path); Predictor predictor = model.predictor()) {
            List<String> names = new ArrayList<>();
            List<Column> all = new ArrayList<>();
            double[] values = new double[model.info().featureCount()];
            for (int f = values.length - 1; f >= 0; f--) {
                values[f] = 0.25 * f;
                names.add(model.featureName(f).orElseThrow());
                all.add(Column.of(new double[] {values[f]}));
            }
            List<Column> bound = new ArrayList<>();
            for (int place : model.featureOrder(names)) {
                bound.add(all.get(place));
            }
            try (Columns columns = Columns.of(bound)) {
                double[] out = new double[1];
                predictor.predict(Output.MARGIN, columns, out);
                check("by name", Arrays.equals(out,
                        predictor.predictDoubles(Output.MARGIN, Rows.one(values))));
            }
            check("missing", said(model, names.subList(1, names.size()))
                    .startsWith("there is no column '" + names.get(0) + "': "));
            checkDtypes(model, predictor, values);
            names.add("unknown");
            check("unknown", said(model, names)
                    .startsWith("the model has no feature 'unknown': "));
            names.set(names.size() - 1, names.get(1));
            check("twice", said(model, names)
                    .startsWith("there are two columns '" + names.get(1) + "': "));
        }
    }

    /**
     * Columns of doubles stand for rows of floats, in a model that compares doubles: a value that
     * float has on the other side of a threshold tells.
     */
    private static void checkDtypes(Model model, Predictor predictor, double[] values) {
        Node root = model.node(0, 0);
        double threshold = root.threshold();
        values[root.feature()] = (float) threshold > threshold ? threshold : Math.nextUp(threshold);
        List<Column> all = new ArrayList<>();
        float[] narrow = new float[values.length];
        for (int f = 0; f < values.length; f++) {
            all.add(Column.of(new double[] {values[f]}));
            narrow[f] = (float) values[f];
        }
        double[] wide = predictor.predictDoubles(Output.MARGIN, Rows.one(values));
        double[] rounded = predictor.predictDoubles(Output.MARGIN, Rows.one(narrow));
        double[] out = new double[1];
        try (Columns plain = Columns.of(all); Columns single = Columns.of(all, Dtype.FLOAT32);
                Columns twice = Columns.of(all, Dtype.FLOAT64)) {
            predictor.predict(Output.MARGIN, single, out);
            check("float32", Arrays.equals(out, rounded) && !Arrays.equals(wide, rounded));
            predictor.predict(Output.MARGIN, twice, out);
            check("float64", Arrays.equals(out, wide));
            predictor.predict(Output.MARGIN, plain, out);
            check("as NumPy makes them", Arrays.equals(out, wide));
        }
        check("rows of long", thrown(() -> Columns.of(all, Dtype.INT64))
                .equals("IllegalArgumentException"));
    }

    private static String said(Model model, List<String> names) {
        try {
            model.featureOrder(names);
        } catch (EspalierException error) {
            return error.getMessage();
        }
        return "";
    }

    private static void checkOddColumns(Predictor predictor) {
        Column plain = Column.of(new long[] {5, 5});
        double[] out = {7, 7, 7, 7, 7, 7};
        try (Columns missing = Columns.of(List.of(plain, plain, Column.of(new short[] {5, 5})
                .validWhere(new boolean[] {true, false}), plain))) {
            predictor.predict(Output.PROBABILITY, missing, out);
            check("missing by a flag", Arrays.equals(out, predictor.predictDoubles(
                    Output.PROBABILITY, Rows.rowMajor(
                            new double[] {5, 5, 5, 5, 5, 5, Double.NaN, 5}, 4))));
        }
        Arrays.fill(out, 7);
        try (Columns infinite = Columns.of(List.of(plain, plain,
                Column.of(new float[] {5, Float.POSITIVE_INFINITY}), plain))) {
            predictor.predict(Output.PROBABILITY, infinite, out);
            check("infinity is refused", false);
        } catch (PredictException error) {
            check("refused place", error.row() == 1 && error.feature() == 2
                    && error.rowsWritten() == 1 && out[0] != 7 && out[3] == 7);
        }
        try (Columns text = Columns.of(List.of(plain, plain, plain,
                Column.texts(Arrays.asList("a", null))));
                Columns few = Columns.of(List.of(plain)); Columns none = Columns.of(List.of())) {
            check("rows", text.rowCount() == 2 && few.rowCount() == 2 && none.rowCount() == 0);
            check("text", thrown(() -> predictor.predict(Output.PROBABILITY, text, out))
                    .equals("DTYPE"));
            check("few", thrown(() -> predictor.predict(Output.PROBABILITY, few, out))
                    .equals("FEATURE_COUNT"));
        }
        check("lengths", thrown(() -> Columns.of(List.of(plain, Column.of(new byte[1]))))
                .equals("IllegalArgumentException"));
        check("flags", thrown(() -> plain.validWhere(new boolean[3]))
                .equals("IllegalArgumentException"));
    }

    /** A reader goes on while the model is replaced. */
    private static void checkSlot(Path path) throws Exception {
        Path copy = path.resolveSibling("replaced.espalier");
        Files.copy(path, copy, StandardCopyOption.REPLACE_EXISTING);
        Slot slot = Slot.open(copy);
        Reader reader = slot.reader();
        try (Model model = Model.open(path); Predictor own = model.predictor()) {
            double[] expected = probabilities(own);
            Predictor[] kept = new Predictor[1];
            for (long version = 1; version <= 3; version++) {
                long wanted = version;
                check("a reader predicts", reader.use((lent, served) -> {
                    kept[0] = lent;
                    check("version", served == wanted);
                    check("a lent predictor", thrown(lent::close).equals("IllegalStateException"));
                    check("a used reader", thrown(reader::close).equals("IllegalStateException"));
                    check("a used reader", thrown(() -> reader.warm(0))
                            .equals("IllegalStateException"));
                    check("a used reader", thrown(() -> reader.use((again, other) -> null))
                            .equals("IllegalStateException"));
                    return Arrays.equals(expected, probabilities(lent))
                            && lent.values(Rows.one(ROW)).length == 4;
                }));
                check("a lent predictor is given back",
                        thrown(() -> probabilities(kept[0])).equals("IllegalStateException"));
                check("a model is warmed once",
                        reader.warm(128) == 128 && reader.warm(0) == 0);
                SlotState state = slot.refresh();
                check("the same file", !state.changed() && state.version() == version);
                Files.copy(path, path.resolveSibling("next.espalier"),
                        StandardCopyOption.REPLACE_EXISTING);
                Files.move(path.resolveSibling("next.espalier"), copy,
                        StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                state = slot.refresh(Refresh.ALWAYS);
                check("another file", state.changed() && state.version() == version + 1);
                check("nothing is held", slot.collect().heldCount() == 0);
            }
        }
        Path bad = path.resolveSibling("next.espalier");
        Files.writeString(bad, "no model");
        Files.move(bad, copy, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        check("a bad file", thrown(slot::refresh).equals("NOT_A_MODEL"));
        Files.delete(copy);
        slot.close();
        slot.close();
        check("a reader outlives its slot", reader.use((lent, version) -> version == 4));
        check("closed slot", thrown(slot::refresh).equals("IllegalStateException"));
        check("closed slot", thrown(slot::reader).equals("IllegalStateException"));
        reader.close();
        reader.close();
        check("closed reader", thrown(() -> reader.use((lent, version) -> null))
                .equals("IllegalStateException"));
        check("closed reader", thrown(() -> reader.warm(0)).equals("IllegalStateException"));
        check("no slot", thrown(() -> Slot.open(copy)).equals("OPEN"));
        var options = new SlotOptions(false, 1, 0, OpenOptions.DEFAULT, PredictorOptions.LEAVES);
        try (Slot narrow = Slot.open(path, options); Reader only = narrow.reader()) {
            check("readers", thrown(narrow::reader).equals("LIMIT"));
            check("leaves", only.use((lent, version) -> lent.predictLeaves(Rows.one(ROW)).length)
                    == 200);
        }
    }

    /** Walks every tree for a row: its leaf's number is what the leaf output says. */
    private static void checkLookingIn(Path path) {
        try (Model model = Model.open(path);
                Predictor predictor = model.predictor(PredictorOptions.LEAVES)) {
            long[] leaves = predictor.predictLeaves(Rows.one(ROW));
            double[] values = predictor.values(Rows.one(ROW));
            check("values", values.length == model.valueCount() && values.length == 4);
            double[] sums = new double[3];
            for (int i = 0; i < leaves.length; i++) {
                Tree tree = model.tree(i);
                int at = 0;
                Node node = model.node(i, at);
                for (int level = 0; level < tree.depth() && !node.isLeaf(); level++) {
                    at = model.goesLeft(node, values[node.feature()]) ? node.left() : node.right();
                    node = model.node(i, at);
                }
                check("a walk ends at a leaf", node.isLeaf() && node.feature() == -1);
                check("its number", model.leafNumbers(i)[at] == leaves[i]);
                double[] found = model.leafValues(tree, node);
                for (int k = 0; k < 3; k++) {
                    sums[k] += found[k];
                }
            }
            for (int k = 0; k < 3; k++) {
                sums[k] /= 200;
            }
            check("sums of leaves", Arrays.equals(sums, probabilities(predictor)));
            Covers covers = model.covers().orElseThrow();
            check("covers", covers.unit() == Covers.Unit.WEIGHTS && covers.values().size() == 4
                    && covers.values().get(2) > covers.values().get(1));
            Node root = model.node(0, 0);
            check("root", !root.isLeaf() && !root.isSet() && root.threshold() > 0
                    && root.missing() != null);
            check("no leaf", thrown(() -> model.leafValues(model.tree(0), root))
                    .equals("IllegalArgumentException"));
            check("no tree", thrown(() -> model.tree(200)).equals("ARGUMENT"));
            check("no tree", thrown(() -> model.leafNumbers(-1)).equals("ARGUMENT"));
            check("no node", thrown(() -> model.node(0, 1 << 30)).equals("ARGUMENT"));
            check("few values", thrown(() -> predictor.values(Rows.one(new float[3])))
                    .equals("FEATURE_COUNT"));
        }
    }

    private static void checkCollector(Path path) throws Exception {
        for (int i = 0; i < 20; i++) {
            probabilities(Model.open(path).predictor());
        }
        boolean isFreed = false;
        for (int i = 0; i < 100 && !isFreed; i++) {
            System.gc();
            Thread.sleep(10);
            String name = path.getFileName().toString();
            try (var lines = Files.lines(Path.of("/proc/self/maps"))) {
                isFreed = lines.noneMatch(line -> line.endsWith(name));
            }
        }
        check("the collector frees models", isFreed);
    }

    public static void main(String[] arguments) throws Exception {
        Path path = Path.of(arguments[0]);
        checkOwnership(path);
        checkThreads(path);
        checkRefusals(path);
        checkOpening(path);
        checkColumns(path);
        checkNames(Path.of(arguments[1]));
        checkSlot(path);
        checkLookingIn(path);
        checkCollector(path);
        System.out.println("UseIt: " + failures + " failures");
        System.exit(failures == 0 ? 0 : 1);
    }
}
