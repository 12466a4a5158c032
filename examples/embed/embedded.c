// SPDX-License-Identifier: Apache-2.0
/*
 * A program with its model inside. forest.h and forest.o (or forest.c) come from
 *     espalier embed random_forest_model.espalier -o forest.o
 *     cc -I. embedded.c forest.o $(pkg-config --cflags --libs espalier)
 * The four measurements of a flower are its arguments, the probabilities of the classes its output.
 */
#include <forest.h>

#include <stdio.h>
#include <stdlib.h>

enum {
    FEATURES = 4,
    CLASSES = 3
};

int main(int argc, char **argv)
{
    float x[FEATURES];
    double probability[CLASSES];
    espalier_model *model = NULL;
    espalier_predictor *predictor = NULL;
    espalier_error error;
    if (argc != FEATURES + 1) {
        fprintf(stderr, "usage: embedded A B C D\n");
        return 2;
    }
    for (int i = 0; i < FEATURES; i++) {
        x[i] = strtof(argv[i + 1], NULL);
    }
    if (forest_open(NULL, &model, &error) != ESPALIER_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    const espalier_rows rows = espalier_rows_float32(x, 1, FEATURES);
    espalier_outputs outputs = {.data = probability, .data_bytes = sizeof probability};
    espalier_status status = espalier_predictor_create(model, NULL, &predictor);
    if (status == ESPALIER_OK) {
        status = espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs);
    }
    if (status == ESPALIER_OK) {
        printf("%.17g %.17g %.17g\n", probability[0], probability[1], probability[2]);
    } else {
        fprintf(stderr, "%s\n", espalier_status_message(status));
    }
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    return status == ESPALIER_OK ? 0 : 1;
}
