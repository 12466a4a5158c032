// SPDX-License-Identifier: Apache-2.0
/*
 * One row at a time, as a service answers requests: opens MODEL once, then predicts every line of
 * standard input (values between commas or blanks) with one predictor and no allocation.
 *
 *     cc one_row.c $(pkg-config --cflags --libs espalier) -o one_row
 *     echo 6.3,2.5,4.9,1.5 | ./one_row MODEL
 */
#include <espalier.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURE_MAX 1024
#define OUTPUT_MAX  1024

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "one_row: %s: %s\n", what, why);
    return 1;
}

/* The number of values in a line, 0 when something else stands there, or more than FEATURE_MAX. */
static size_t read_row(const char *line, double *row)
{
    const char *const blanks = " \t,\r\n";
    size_t count = 0;
    const char *at = line + strspn(line, blanks);
    while (*at != '\0') {
        char *end;
        const double value = strtod(at, &end);
        if (end == at || count == FEATURE_MAX) {
            return 0;
        }
        row[count++] = value;
        at = end + strspn(end, blanks);
    }
    return count;
}

static void print_row(const espalier_output_info *output, const void *values)
{
    for (size_t i = 0; i < output->width; i++) {
        const double value = output->dtype == ESPALIER_DTYPE_FLOAT32 ? ((const float *)values)[i]
                                                                     : ((const double *)values)[i];
        printf("%s%.17g", i > 0 ? "," : "", value);
    }
    putchar('\n');
}

static int predict_lines(espalier_predictor *predictor, const espalier_output_info *output)
{
    static char line[32 * FEATURE_MAX];
    static double row[FEATURE_MAX];
    static double values[OUTPUT_MAX]; /* or as many floats */
    char place[32];
    size_t line_number = 0;
    while (fgets(line, sizeof line, stdin) != NULL) {
        const size_t count = read_row(line, row);
        const espalier_rows rows = espalier_rows_float64(row, 1, count);
        espalier_outputs outputs = {.data = values, .data_bytes = sizeof values};
        const espalier_status status =
            espalier_predict(predictor, (espalier_output_kind)output->kind, &rows, &outputs);
        line_number++;
        if (status != ESPALIER_OK) {
            snprintf(place, sizeof place, "line %zu", line_number);
            return fail(place, count == 0 ? "no row of numbers" : espalier_status_message(status));
        }
        print_row(output, values);
    }
    if (ferror(stdin) || fflush(stdout) != 0) {
        return fail("rows or outputs", "cannot be read or written");
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return fail("usage", "one_row MODEL < ROWS.csv");
    }
    espalier_model *model;
    espalier_error error;
    if (espalier_model_open(argv[1], NULL, &model, &error) != ESPALIER_OK) {
        return fail("open", error.message);
    }
    /* A classifier has probabilities, a regressor or a Booster has values. */
    espalier_output_info output;
    espalier_status status = espalier_model_output(model, ESPALIER_OUTPUT_PROBABILITY, &output);
    if (status != ESPALIER_OK) {
        status = espalier_model_output(model, ESPALIER_OUTPUT_VALUE, &output);
    }
    espalier_predictor *predictor = NULL;
    if (status == ESPALIER_OK) {
        status = espalier_predictor_create(model, NULL, &predictor);
    }
    const int code = status == ESPALIER_OK ? predict_lines(predictor, &output)
                                           : fail(argv[1], espalier_status_message(status));
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    return code;
}
