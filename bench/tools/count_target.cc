// SPDX-License-Identifier: Apache-2.0
/*
 * count_target MODEL ROWS.npy: opens a model and predicts its rows one by one, and no more than
 * that. bench/count_costs.py runs it under callgrind and counts what happens inside
 * espalier_model_open and espalier_predict. Prints the number of rows.
 */
#include "../model_cache.h"

#include <cstdio>
#include <exception>
#include <stdexcept>

namespace
{

using namespace espalier_bench;

void run(const char *model_path, const char *rows_path)
{
    const float_rows rows = read_npy(rows_path);
    const model_owner model = open_model(model_path);
    const predictor_owner predictor = create_predictor(model.get(), ESPALIER_ISA_SCALAR);
    std::vector<double> output(1024);
    for (size_t r = 0; r < rows.row_count; r++) {
        const espalier_rows in = espalier_rows_float32(rows.row(r), 1, rows.feature_count);
        espalier_outputs out = {};
        out.data = output.data();
        out.data_bytes = output.size() * sizeof(double);
        if (espalier_predict(predictor.get(), ESPALIER_OUTPUT_PROBABILITY, &in, &out) !=
            ESPALIER_OK) {
            throw std::runtime_error("a prediction failed");
        }
    }
    std::printf("%zu\n", rows.row_count);
}

} // namespace

int main(int count, char **arguments)
{
    try {
        if (count != 3) {
            std::fputs("usage: count_target MODEL ROWS.npy\n", stderr);
            return 2;
        }
        run(arguments[1], arguments[2]);
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "count_target: %s\n", error.what());
        return 1;
    }
}
