// SPDX-License-Identifier: Apache-2.0

import espalier.Column;
import espalier.Columns;
import espalier.Covers;
import espalier.Dtype;
import espalier.EspalierException;
import espalier.Info;
import espalier.Model;
import espalier.Node;
import espalier.Output;
import espalier.OutputInfo;
import espalier.PredictException;
import espalier.Predictor;
import espalier.PredictorOptions;
import espalier.Reader;
import espalier.Rows;
import espalier.Slot;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** The package at work for tests/bindings/run_bindings.py, which describes the jobs. */
public final class Jobs {
    private record Job(Path model, Path rows, String dtype, int rowCount, int featureCount,
            String order, String kind, String iterations, Path out) {
        static Job of(String line) {
            String[] fields = line.split("\t");
            return new Job(Path.of(fields[0]), Path.of(fields[1]), fields[2],
                    Integer.parseInt(fields[3]), Integer.parseInt(fields[4]), fields[5], fields[6],
                    fields[7], Path.of(fields[8]));
        }

        boolean isNarrow() {
            return dtype.equals("f4");
        }

        boolean isText() {
            return dtype.equals("text");
        }

        Output output() {
            return Output.valueOf(kind.toUpperCase(Locale.ROOT));
        }
    }

    private Jobs() {}

    /** Rows of floats or of doubles, or columns of longs; the other arrays are empty. */
    private record Values(float[] floats, double[] doubles, long[] longs) {
        static Values read(Job job) throws IOException {
            ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(job.rows));
            bytes.order(ByteOrder.LITTLE_ENDIAN);
            int count = job.rowCount * job.featureCount;
            float[] floats = new float[job.dtype.equals("f4") ? count : 0];
            double[] doubles = new double[job.dtype.equals("f8") ? count : 0];
            long[] longs = new long[job.dtype.equals("i8") ? count : 0];
            bytes.asFloatBuffer().get(floats);
            bytes.asDoubleBuffer().get(doubles);
            bytes.asLongBuffer().get(longs);
            return new Values(floats, doubles, longs);
        }

        Column column(int first, int end) {
            return floats.length > 0 ? Column.of(Arrays.copyOfRange(floats, first, end))
                    : longs.length > 0 ? Column.of(Arrays.copyOfRange(longs, first, end))
                    : Column.of(Arrays.copyOfRange(doubles, first, end));
        }
    }

    /** One view for all rows, or one of each row. */
    private static List<Rows> views(Job job) throws IOException {
        Values values = Values.read(job);
        float[] floats = values.floats;
        double[] doubles = values.doubles;
        if (job.order.equals("F")) {
            return List.of(job.isNarrow() ? Rows.columnMajor(floats, job.rowCount)
                    : Rows.columnMajor(doubles, job.rowCount));
        }
        if (job.order.equals("C") || job.order.equals("S")) {
            return List.of(job.isNarrow() ? Rows.rowMajor(floats, job.featureCount)
                    : Rows.rowMajor(doubles, job.featureCount));
        }
        List<Rows> rows = new ArrayList<>();
        for (int i = 0; i < job.rowCount; i++) {
            int first = i * job.featureCount;
            int end = first + job.featureCount;
            rows.add(job.isNarrow() ? Rows.one(Arrays.copyOfRange(floats, first, end))
                    : Rows.one(Arrays.copyOfRange(doubles, first, end)));
        }
        return rows;
    }

    /**
     * Every feature a column of its own, which lie one behind the other; where features have names,
     * columns in another order, bound by their names.
     */
    private static Columns columns(Model model, Job job) throws IOException {
        Values values = Values.read(job);
        List<Column> all = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (int f = job.featureCount - 1; f >= 0; f--) {
            int first = f * job.rowCount;
            all.add(values.column(first, first + job.rowCount));
            model.featureName(f).ifPresent(names::add);
        }
        if (names.size() != job.featureCount || names.size() != model.info().featureCount()) {
            Collections.reverse(all);
            return made(job, all);
        }
        List<Column> bound = new ArrayList<>();
        for (int place : model.featureOrder(names)) {
            bound.add(all.get(place));
        }
        return made(job, bound);
    }

    private static Columns made(Job job, List<Column> all) {
        if (!job.order.equals("N")) {
            return Columns.of(all);
        }
        return Columns.of(all, job.isNarrow() ? Dtype.FLOAT64 : Dtype.FLOAT32);
    }

    /** Features with categories as strings, the others as numbers; an empty field is missing. */
    private static Columns texts(Model model, Job job) throws IOException {
        List<Column> all = new ArrayList<>();
        List<String> lines = Files.readAllLines(job.rows);
        for (int f = 0; f < job.featureCount; f++) {
            List<String> cells = new ArrayList<>();
            double[] numbers = new double[lines.size()];
            boolean[] valid = new boolean[lines.size()];
            for (int r = 0; r < numbers.length; r++) {
                String cell = lines.get(r).split(",", -1)[f];
                valid[r] = !cell.isEmpty();
                cells.add(valid[r] ? cell : null);
            }
            if (model.categories(f).isEmpty()) {
                for (int r = 0; r < numbers.length; r++) {
                    numbers[r] = valid[r] ? Double.parseDouble(cells.get(r)) : 0;
                }
                all.add(Column.of(numbers).validWhere(valid));
            } else {
                all.add(Column.texts(cells));
            }
        }
        return Columns.of(all);
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

    /** Rows or columns, to predict into arrays of each type. */
    private record Source(Predictor predictor, Output kind, Rows rows, Columns columns) {
        void to(double[] out) {
            if (rows != null) {
                predictor.predict(kind, rows, out);
            } else {
                predictor.predict(kind, columns, out);
            }
        }

        void to(float[] out) {
            if (rows != null) {
                predictor.predict(kind, rows, out);
            } else {
                predictor.predict(kind, columns, out);
            }
        }

        void to(int[] out) {
            if (rows != null) {
                predictor.predict(kind, rows, out);
            } else {
                predictor.predict(kind, columns, out);
            }
        }

        void to(long[] out) {
            if (rows != null) {
                predictor.predict(kind, rows, out);
            } else {
                predictor.predict(kind, columns, out);
            }
        }
    }

    /** Predicts into memory of its own; gives the bytes that the report wants. */
    private static byte[] predict(Model model, Source source, OutputInfo info, int rowCount) {
        int count = rowCount * info.width();
        ByteBuffer bytes = ByteBuffer.allocate(count * 8).order(ByteOrder.LITTLE_ENDIAN);
        int size = 8;
        PredictException refused = null;
        try {
            switch (info.dtype()) {
                case FLOAT64 -> {
                    double[] out = new double[count];
                    refused = call(() -> source.to(out));
                    bytes.asDoubleBuffer().put(out);
                }
                case FLOAT32 -> {
                    float[] out = new float[count];
                    refused = call(() -> source.to(out));
                    bytes.asFloatBuffer().put(out);
                    size = 4;
                }
                case INT64 -> {
                    long[] out = new long[count];
                    refused = call(() -> source.to(out));
                    bytes.asLongBuffer().put(out);
                }
                case INT32 -> {
                    int[] out = new int[count];
                    refused = call(() -> source.to(out));
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
            // A view of too few features has another number of rows than the job says.
            int rowCount = job.order.equals("1") ? 1 : job.rowCount;
            if (job.order.equals("T") || job.order.equals("N")) {
                try (Columns columns = job.isText() ? texts(model, job) : columns(model, job)) {
                    var source = new Source(predictor, job.output(), null, columns);
                    out.write(predict(model, source, info, rowCount));
                }
                return lastRefused != null ? refusal(0) : ok(info);
            }
            for (Rows rows : views(job)) {
                out.write(job.order.equals("S") ? predictFromSlot(model, job, info, rows)
                        : predict(model, new Source(predictor, job.output(), rows, null), info,
                                rowCount));
                if (lastRefused != null) {
                    return refusal(done);
                }
                done += rowCount;
            }
        }
        return ok(info);
    }

    private static byte[] predictFromSlot(Model model, Job job, OutputInfo info, Rows rows) {
        try (Slot slot = Slot.open(job.model); Reader reader = slot.reader()) {
            return reader.use((lent, version) -> predict(model,
                    new Source(lent, job.output(), rows, null), info, job.rowCount));
        }
    }

    private static String refusal(int done) {
        return String.join("\t", "refused", lastRefused.statusName(),
                "" + (done + lastRefused.rowsWritten()), "" + (done + lastRefused.row()),
                "" + lastRefused.feature());
    }

    private static String ok(OutputInfo info) {
        return "ok\t" + (info.dtype().ordinal() + 1) + "\t" + info.width();
    }

    /** The position at which a tree answers for what nodes compare. */
    private static int findLeaf(Model model, int tree, double[] values) {
        int at = 0;
        for (int level = model.tree(tree).depth(); level > 0; level--) {
            Node node = model.node(tree, at);
            if (node.isLeaf()) {
                break;
            }
            at = model.goesLeft(node, values[node.feature()]) ? node.left() : node.right();
        }
        return at;
    }

    /** The leaves that rows come to, by looking into the model alone. */
    private static String walk(Model model, Job job) throws IOException {
        int count = model.info().treeCount();
        List<int[]> numbers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            numbers.add(model.leafNumbers(i));
        }
        ByteBuffer bytes = ByteBuffer.allocate(job.rowCount * count * 8);
        bytes.order(ByteOrder.LITTLE_ENDIAN);
        try (Predictor predictor = model.predictor()) {
            for (Rows row : views(job)) {
                double[] values = predictor.values(row);
                for (int i = 0; i < count; i++) {
                    bytes.putLong(numbers.get(i)[findLeaf(model, i, values)]);
                }
            }
        }
        Files.write(job.out, bytes.array());
        return "ok\t" + (Dtype.INT64.ordinal() + 1) + "\t" + count;
    }

    private static String showCovers(Model model, Job job) throws IOException {
        StringBuilder text = new StringBuilder();
        List<Double> covers = model.covers().map(Covers::values).orElse(List.of());
        for (int i = 0; i < covers.size(); i++) {
            if (covers.get(i) != 0) {
                String bits = Long.toUnsignedString(Double.doubleToRawLongBits(covers.get(i)));
                text.append(i).append(' ').append(bits).append('\n');
            }
        }
        Files.writeString(job.out, text);
        return "cover\t" + model.covers().map(found -> found.unit().ordinal() + 1).orElse(0);
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
                case "cover":
                    return showCovers(model, job);
                default:
                    return job.order.equals("W") ? walk(model, job) : predictAll(model, job);
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
