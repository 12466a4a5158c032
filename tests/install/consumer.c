// SPDX-License-Identifier: Apache-2.0
/*
 * A service that only predicts, as small as it gets: opens the model file argv[1], predicts one row
 * (argv[2] and on) and prints the trainer's probabilities or values, one per line, exactly. Built
 * against the installed library; may include espalier.h alone.
 */
#include <espalier.h>

#include <stdio.h>
#include <stdlib.h>

#define OUTPUT_MAX 256

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "consumer: %s: %s\n", what, why);
    return 1;
}

static int predict_row(const espalier_model *model, const double *row, size_t feature_count)
{
    espalier_output_info output;
    espalier_output_kind kind = ESPALIER_OUTPUT_PROBABILITY;
    espalier_status status = espalier_model_output(model, kind, &output);
    if (status == ESPALIER_ERROR_OUTPUT_KIND) {
        kind = ESPALIER_OUTPUT_VALUE;
        status = espalier_model_output(model, kind, &output);
    }
    if (status != ESPALIER_OK || output.width > OUTPUT_MAX)
        return fail("output", espalier_status_message(status));

    espalier_predictor *predictor;
    status = espalier_predictor_create(model, NULL, &predictor);
    if (status != ESPALIER_OK)
        return fail("predictor", espalier_status_message(status));

    double values[OUTPUT_MAX];
    const espalier_rows rows = espalier_rows_float64(row, 1, feature_count);
    espalier_outputs outputs = {.data = values, .data_bytes = sizeof values};
    status = espalier_predict(predictor, kind, &rows, &outputs);
    espalier_predictor_destroy(predictor);
    if (status != ESPALIER_OK)
        return fail("predict", espalier_status_message(status));
    for (size_t i = 0; i < output.width; i++)
        printf("%.17g\n", values[i]);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return fail("usage", "consumer MODEL VALUE...");

    espalier_model *model;
    espalier_error error;
    if (espalier_model_open(argv[1], NULL, &model, &error) != ESPALIER_OK)
        return fail("open", error.message);

    const size_t feature_count = (size_t)(argc - 2);
    double *row = calloc(feature_count, sizeof *row);
    int code = 1;
    if (row != NULL) {
        for (size_t i = 0; i < feature_count; i++)
            row[i] = strtod(argv[i + 2], NULL);
        code = predict_row(model, row, feature_count);
    }
    free(row);
    espalier_model_close(model);
    return code;
}
