// SPDX-License-Identifier: Apache-2.0

import espalier.EspalierException;
import espalier.Model;
import espalier.OpenOptions;
import espalier.Output;
import espalier.PredictException;
import espalier.Predictor;
import espalier.PredictorOptions;
import espalier.Rows;
import java.nio.file.Files;
import java.nio.file.Path;
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
        checkCollector(path);
        System.out.println("UseIt: " + failures + " failures");
        System.exit(failures == 0 ? 0 : 1);
    }
}
