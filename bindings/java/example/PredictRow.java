// SPDX-License-Identifier: Apache-2.0

import espalier.Dtype;
import espalier.Model;
import espalier.Output;
import espalier.Predictor;
import espalier.Rows;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Opens a model and predicts one row: {@code PredictRow MODEL VALUE...} prints the class
 * probabilities, or the value of a regressor, one per line.
 */
public final class PredictRow {
    private PredictRow() {}

    public static void main(String[] arguments) {
        double[] row = Arrays.stream(arguments).skip(1).mapToDouble(Double::parseDouble).toArray();
        try (Model model = Model.open(Path.of(arguments[0]));
                Predictor predictor = model.predictor()) {
            Output kind = model.output(Output.PROBABILITY).isPresent() ? Output.PROBABILITY
                    : Output.VALUE;
            if (model.output(kind).orElseThrow().dtype() == Dtype.FLOAT32) {
                for (float value : predictor.predictFloats(kind, Rows.one(row))) {
                    System.out.println(value);
                }
            } else {
                for (double value : predictor.predictDoubles(kind, Rows.one(row))) {
                    System.out.println(value);
                }
            }
        }
    }
}
