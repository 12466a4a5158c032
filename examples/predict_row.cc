// SPDX-License-Identifier: Apache-2.0
/*
 * Opens a model and predicts one row, in C++17: `predict_row MODEL VALUE...` prints the class
 * probabilities, or the value of a regressor, one per line and exactly.
 *
 *     c++ -std=c++17 predict_row.cc $(pkg-config --cflags --libs espalier)
 */
#include <espalier.hpp>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace
{

template <class T>
void show(espalier::predictor &predictor, espalier::output kind, const std::vector<double> &row)
{
    for (const T value : predictor.predict<T>(kind, espalier::rows::one(row)))
        std::printf("%.17g\n", static_cast<double>(value));
}

void predict(const char *path, const std::vector<double> &row)
{
    const espalier::model model(path);
    espalier::predictor predictor(model);
    const espalier::output kind = predictor.width(espalier::output::probability) > 0
                                      ? espalier::output::probability
                                      : espalier::output::value;
    if (predictor.dtype(kind) == ESPALIER_DTYPE_FLOAT32)
        show<float>(predictor, kind, row);
    else
        show<double>(predictor, kind, row);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 3) {
        std::fprintf(stderr, "usage: predict_row MODEL VALUE...\n");
        return 2;
    }
    try {
        std::vector<double> row;
        for (int i = 2; i < argc; i++)
            row.push_back(std::stod(argv[i]));
        predict(argv[1], row);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "predict_row: %s\n", error.what());
        return 1;
    }
    return 0;
}
