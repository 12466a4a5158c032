// SPDX-License-Identifier: Apache-2.0

import espalier.Dtype;
import espalier.EspalierException;
import espalier.Info;
import espalier.Model;
import espalier.Output;
import espalier.OutputInfo;
import espalier.PredictException;
import espalier.Predictor;
import espalier.PredictorOptions;
import espalier.Rows;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The package at work for tests/bindings/run_bindings.py, which describes the jobs. */
public final class Jobs {
    private record Job(Path model, Path rows, boolean isNarrow, int rowCount, int featureCount,
            String order, String kind, String iterations, Path out) {
        static Job of(String line) {
            String[] fields = line.split("\t");
            return new Job(Path.of(fields[0]), Path.of(fields[1]), fields[2].equals("f4"),
                    Integer.parseInt(fields[3]), Integer.parseInt(fields[4]), fields[5], fields[6],
                    fields[7], Path.of(fields[8]));
        }

        Output output() {
            return Output.valueOf(kind.toUpperCase(Locale.ROOT));
        }
    }

    private Jobs() {}

    /** One view for all rows, or one of each row. */
    private static List<Rows> views(Job job) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(job.rows));
        bytes.order(ByteOrder.LITTLE_ENDIAN);
        int count = job.rowCount * job.featureCount;
        float[] floats = new float[job.isNarrow ? count : 0];
        double[] doubles = new double[job.isNarrow ? 0 : count];
        bytes.asFloatBuffer().get(floats);
        bytes.asDoubleBuffer().get(doubles);
        if (job.order.equals("F")) {
            return List.of(job.isNarrow ? Rows.columnMajor(floats, job.rowCount)
                    : Rows.columnMajor(doubles, job.rowCount));
        }
        if (job.order.equals("C")) {
            return List.of(job.isNarrow ? Rows.rowMajor(floats, job.featureCount)
                    : Rows.rowMajor(doubles, job.featureCount));
        }
        List<Rows> rows = new ArrayList<>();
        for (int i = 0; i < job.rowCount; i++) {
            int first = i * job.featureCount;
            int end = first + job.featureCount;
            rows.add(job.isNarrow ? Rows.one(Arrays.copyOfRange(floats, first, end))
                    : Rows.one(Arrays.copyOfRange(doubles, first, end)));
        }
        return rows;
    }

    private static String labelText(Object label) {
        if (label instanceof Double value) {
            return "f " + Long.toUnsignedString(Double.doubleToRawLongBits(value));
        }
        if (label instanceof Boolean value) {
            return value ? "b 1" : "b 0";
        }
        return (label instanceof String ? "s " : "i ") + label;
    }

    /** Predicts into memory of its own; gives the bytes that the report wants. */
    private static byte[] predict(Model model, Predictor predictor, Job job, OutputInfo info,
            Rows rows, int rowCount) {
        int count = rowCount * info.width();
        ByteBuffer bytes = ByteBuffer.allocate(count * 8).order(ByteOrder.LITTLE_ENDIAN);
        int size = 8;
        PredictException refused = null;
        try {
            switch (info.dtype()) {
                case FLOAT64 -> {
                    double[] out = new double[count];
                    refused = call(() -> predictor.predict(job.output(), rows, out));
                    bytes.asDoubleBuffer().put(out);
                }
                case FLOAT32 -> {
                    float[] out = new float[count];
                    refused = call(() -> predictor.predict(job.output(), rows, out));
                    bytes.asFloatBuffer().put(out);
                    size = 4;
                }
                case INT64 -> {
                    long[] out = new long[count];
                    refused = call(() -> predictor.predict(job.output(), rows, out));
                    bytes.asLongBuffer().put(out);
                }
                case INT32 -> {
                    int[] out = new int[count];
                    refused = call(() -> predictor.predict(job.output(), rows, out));
                    int written = refused == null ? rowCount : refused.rowsWritten();
                    return labels(model, out, info.width(), written);
                }
            }
            int written = refused == null ? rowCount : refused.rowsWritten();
            return Arrays.copyOf(bytes.array(), written * info.width() * size);
        } finally {
            lastRefused = refused;
        }
    }

    private static PredictException lastRefused;

    private static PredictException call(Runnable prediction) {
        try {
            prediction.run();
            return null;
        } catch (PredictException refused) {
            return refused;
        }
    }

    private static byte[] labels(Model model, int[] indices, int width, int rowCount) {
        List<List<Object>> labels = new ArrayList<>();
        for (int i = 0; i < width; i++) {
            labels.add(model.labels(i));
        }
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < rowCount * width; i++) {
            text.append(labelText(labels.get(i % width).get(indices[i]))).append('\n');
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String predictAll(Model model, Job job) throws IOException {
        int first = 0;
        int count = 0;
        if (!job.iterations.equals("-")) {
            String[] range = job.iterations.split(":");
            first = Integer.parseInt(range[0]);
            count = Integer.parseInt(range[1]) - first;
        }
        var options = new PredictorOptions(job.kind.equals("leaf"), false, 0, first, count);
        OutputInfo info = model.output(job.output()).orElse(new OutputInfo(Dtype.FLOAT64, 0, 1));
        try (Predictor predictor = model.predictor(options);
                var out = Files.newOutputStream(job.out)) {
            int done = 0;
            for (Rows rows : views(job)) {
                // A view of too few features has another number of rows than the job says.
                int rowCount = job.order.equals("1") ? 1 : job.rowCount;
                out.write(predict(model, predictor, job, info, rows, rowCount));
                if (lastRefused != null) {
                    return String.join("\t", "refused", lastRefused.statusName(),
                            "" + (done + lastRefused.rowsWritten()),
                            "" + (done + lastRefused.row()), "" + lastRefused.feature());
                }
                done += rowCount;
            }
        }
        return "ok\t" + (info.dtype().ordinal() + 1) + "\t" + info.width();
    }

    private static String describe(Model model, Job job) throws IOException {
        Info info = model.info();
        Files.writeString(job.out, model.metadata());
        int kind = info.defaultOutput() == null ? 0 : info.defaultOutput().ordinal() + 1;
        StringBuilder line = new StringBuilder(String.join("\t", "info", "" + info.featureCount(),
                "" + info.treeCount(), "" + kind, info.rootDigest()));
        for (int i = 0; i < info.featureCount(); i++) {
            line.append('\t').append(model.featureName(i).orElse(""));
        }
        return line.toString();
    }

    private static String run(Job job) throws IOException {
        try (Model model = Model.open(job.model)) {
            switch (job.kind) {
                case "info":
                    return describe(model, job);
                case "verify":
                    model.verify();
                    return "verified";
                default:
                    return predictAll(model, job);
            }
        } catch (EspalierException failed) {
            return String.join("\t", "failed", failed.statusName(), "" + failed.systemErrno(),
                    Long.toUnsignedString(failed.fileOffset().orElse(-1)), "" + failed.formatRule(),
                    failed.getMessage());
        }
    }

    public static void main(String[] arguments) throws IOException {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            out.println(run(Job.of(line)));
        }
        out.flush();
    }
}
