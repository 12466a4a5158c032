// SPDX-License-Identifier: Apache-2.0
/*
 * The models that benchmarks run on: standard forests, trained and converted once into a cache
 * folder, or any model of the command line. Each comes with rows and with its naive stream, and is
 * used only after both predictors agreed bit for bit on all rows. Public headers only.
 */
#ifndef ESPALIER_BENCH_MODEL_CACHE_H
#define ESPALIER_BENCH_MODEL_CACHE_H

#include "espalier.h"
#include "naive/naive.h"
#include "npy_rows.h"

#include <memory>
#include <string>
#include <vector>

namespace espalier_bench
{

struct bench_settings {
    std::vector<std::string> models;  // --model: instead of the standard forests
    std::vector<std::string> rows;    // --rows: for the models, in the same order
    std::vector<std::string> forests; // --forest: of the standard ones only these
    std::string folder;               // --dir, or ESPALIER_BENCH_DIR, or bench-data in the build
    int cpu = -1;                     // --cpu: pin to it; -1: the last one
    bool is_quick = false;            // --quick: short runs
    bool is_small = false;            // --small: as quick, of one small forest
};

// Takes the options above out of the arguments and leaves all others.
bench_settings parse_settings(int *count, char **arguments);
extern const char SETTINGS_USAGE[];

// Owners of the C interface's objects.
struct model_closer {
    void operator()(espalier_model *model) const
    {
        espalier_model_close(model);
    }
};
struct predictor_destroyer {
    void operator()(espalier_predictor *predictor) const
    {
        espalier_predictor_destroy(predictor);
    }
};
struct naive_freer {
    void operator()(naive_forest *forest) const
    {
        naive_free(forest);
    }
};
using model_owner = std::unique_ptr<espalier_model, model_closer>;
using predictor_owner = std::unique_ptr<espalier_predictor, predictor_destroyer>;
using naive_owner = std::unique_ptr<naive_forest, naive_freer>;

// All throw std::runtime_error with the library's own message.
model_owner open_model(const std::string &path, uint64_t flags = 0);
predictor_owner create_predictor(const espalier_model *model, espalier_isa isa);
naive_owner load_naive(const std::string &path);

struct bench_model {
    std::string name;
    std::string source_path; // the joblib file; empty for a model of the command line
    std::string model_path;
    std::string naive_path;
    float_rows rows;
    espalier_output_kind kind = ESPALIER_OUTPUT_PROBABILITY;
    size_t width = 0; // outputs per row
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    std::string kernel;
};

/*
 * All models that the settings ask for: made where they are missing, remade where the program is
 * newer than the converted file, agreement checked. `is_fresh`: standard forests are converted
 * anew, so that the page cache holds them as the converter wrote them. Tells stderr what is slow.
 */
std::vector<bench_model> prepare_models(const bench_settings &settings, bool is_fresh);

// One standard forest by name ("depth8", "depth10", "unlimited", "unlimited7"), without checking.
bench_model prepare_forest(const bench_settings &settings, const std::string &name,
                           bool is_fresh = false);

// Removes its file at the end unless ESPALIER_BENCH_KEEP is set.
class grown_file
{
public:
    grown_file(const bench_settings &settings, const bench_model &seed, uint64_t bytes);
    ~grown_file();
    grown_file(const grown_file &) = delete;
    grown_file &operator=(const grown_file &) = delete;

    const std::string &path() const
    {
        return path_;
    }

    // Writes the naive stream of the same trees beside it; removed with it. Returns its path.
    std::string write_naive() const;

private:
    std::string path_;
};

} // namespace espalier_bench

#endif
