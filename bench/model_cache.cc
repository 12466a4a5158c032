// SPDX-License-Identifier: Apache-2.0
/*
 * Standard forests and their cache; agreement with the naive predictor. See model_cache.h.
 */
#include "model_cache.h"

#include "espalier_convert.h"
#include "espalier_inspect.h"
#include "grown_model.h"
#include "joblib_file.h"
#include "measure.h"
#include "seeded_random.h"
#include "training.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

namespace espalier_bench
{

const char SETTINGS_USAGE[] =
    "  --model PATH     an Espalier model instead of the standard forests; may be repeated\n"
    "  --rows PATH      its rows, .npy of float32 or float64; without it rows are drawn from\n"
    "                   the model's own thresholds\n"
    "  --forest NAME    of the standard forests only this: depth8, depth10, unlimited or\n"
    "                   unlimited7 (seven classes; not among the usual three); may be repeated\n"
    "  --dir PATH       where the standard forests are kept (ESPALIER_BENCH_DIR, else\n"
    "                   bench-data in the build folder)\n"
    "  --cpu N          run on this CPU (the last one)\n"
    "  --quick          short runs\n"
    "  --small          --quick with the smallest forest alone: whether all works\n";

namespace
{

constexpr size_t DRAWN_ROWS = 10000;

struct forest_recipe {
    const char *name;
    uint32_t depth_max;
    uint32_t class_count;
    bool is_usual;
};

constexpr forest_recipe RECIPES[] = {{"depth8", 8, 2, true},
                                     {"depth10", 10, 2, true},
                                     {"unlimited", 0, 2, true},
                                     {"unlimited7", 0, 7, false}};

[[noreturn]] void fail(const std::string &what)
{
    throw std::runtime_error(what);
}

void make_folder(const std::string &path)
{
    if (mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
        fail(path + ": " + std::strerror(errno));
    }
}

// True where the file is missing or older than this program, which contains the converter.
bool is_stale(const std::string &path)
{
    struct stat file;
    struct stat program;
    if (stat(path.c_str(), &file) != 0 || stat("/proc/self/exe", &program) != 0) {
        return true;
    }
    return file.st_mtim.tv_sec < program.st_mtim.tv_sec;
}

// Runs `make` on a temporary name and renames, so that a broken run leaves no half file behind.
template <typename Maker> void make_file(const std::string &path, Maker make)
{
    const std::string temporary = path + "." + std::to_string(getpid()) + ".tmp";
    try {
        make(temporary);
    } catch (...) {
        std::remove(temporary.c_str());
        throw;
    }
    if (std::rename(temporary.c_str(), path.c_str()) != 0) {
        fail(path + ": " + std::strerror(errno));
    }
}

const forest_recipe &find_recipe(const std::string &name)
{
    for (const forest_recipe &recipe : RECIPES) {
        if (name == recipe.name) {
            return recipe;
        }
    }
    fail(name + ": not a standard forest");
}

void make_source(const forest_recipe &recipe, const bench_model &model, const std::string &rows)
{
    if (file_bytes(model.source_path) != 0 && file_bytes(rows) != 0) {
        return;
    }
    std::fprintf(stderr, "training %s ...\n", recipe.name);
    training_options options;
    options.depth_max = recipe.depth_max;
    options.class_count = recipe.class_count;
    make_file(rows, [&](const std::string &path) { write_npy(path, make_unseen_rows(options)); });
    make_file(model.source_path, [&](const std::string &path) {
        write_joblib(train_forest(options, make_rows(options, options.row_count, 0)), path);
    });
}

void convert_source(const bench_model &model, bool is_fresh)
{
    espalier_error error;
    if ((is_fresh || is_stale(model.model_path)) &&
        espalier_convert(model.source_path.c_str(), model.model_path.c_str(), nullptr, nullptr,
                         &error) != ESPALIER_OK) {
        fail(error.message);
    }
}

// Always anew: it must be of this very model.
void make_naive(const bench_model &model)
{
    const model_owner opened = open_model(model.model_path);
    make_file(model.naive_path, [&](const std::string &path) {
        if (!naive_write(opened.get(), path.c_str())) {
            fail(model.model_path + ": not a plain forest, or " + path + " not writable");
        }
    });
}

// Fills what the model itself says.
void inspect_model(bench_model *model)
{
    const model_owner opened = open_model(model->model_path);
    espalier_output_info output;
    espalier_model_info_get(opened.get(), &model->info);
    model->kind = model->info.default_output == ESPALIER_OUTPUT_CLASS ? ESPALIER_OUTPUT_PROBABILITY
                                                                      : ESPALIER_OUTPUT_VALUE;
    if (espalier_model_output(opened.get(), model->kind, &output) != ESPALIER_OK ||
        output.dtype != ESPALIER_DTYPE_FLOAT64) {
        fail(model->model_path + ": neither probabilities nor float64 values");
    }
    model->width = output.width;
    model->kernel =
        espalier_predictor_kernel(create_predictor(opened.get(), ESPALIER_ISA_AUTO).get());
}

// Thresholds by feature, for rows that take ways a real row could take.
std::vector<std::vector<float>> collect_thresholds(const espalier_model *model,
                                                   const espalier_model_info &info)
{
    std::vector<std::vector<float>> thresholds(info.feature_count);
    for (uint32_t t = 0; t < info.tree_count; t++) {
        espalier_tree_info tree;
        espalier_node node;
        if (espalier_model_tree(model, t, &tree) != ESPALIER_OK) {
            continue;
        }
        for (uint32_t p = 0; p < tree.position_count; p++) {
            if (espalier_model_node(model, t, p, &node) == ESPALIER_OK &&
                node.feature < info.feature_count && std::isfinite(node.threshold)) {
                thresholds[node.feature].push_back(static_cast<float>(node.threshold));
            }
        }
    }
    return thresholds;
}

float_rows draw_rows(const bench_model &model)
{
    const model_owner opened = open_model(model.model_path);
    const auto thresholds = collect_thresholds(opened.get(), model.info);
    seeded_random random(1);
    float_rows rows;
    rows.row_count = DRAWN_ROWS;
    rows.feature_count = model.info.feature_count;
    for (size_t r = 0; r < rows.row_count; r++) {
        for (const std::vector<float> &known : thresholds) {
            const uint32_t count = static_cast<uint32_t>(known.size());
            const float first = count == 0 ? 0.0f : known[random.below(count)];
            const float second = count == 0 ? 0.0f : known[random.below(count)];
            // One in four lies exactly on a threshold.
            rows.values.push_back(random.below(4) == 0 ? first : first / 2.0f + second / 2.0f);
        }
    }
    return rows;
}

std::vector<double> predict_all(const bench_model &model, espalier_predictor *predictor,
                                size_t rows_per_call)
{
    std::vector<double> outputs(model.rows.row_count * model.width);
    for (size_t r = 0; r < model.rows.row_count; r += rows_per_call) {
        const size_t count = std::min(rows_per_call, model.rows.row_count - r);
        const espalier_rows rows =
            espalier_rows_float32(model.rows.row(r), count, model.rows.feature_count);
        espalier_outputs out = {};
        out.data = &outputs[r * model.width];
        out.data_bytes = count * model.width * sizeof(double);
        const espalier_status status = espalier_predict(predictor, model.kind, &rows, &out);
        if (status != ESPALIER_OK) {
            fail(model.name + ": " + espalier_status_message(status));
        }
    }
    return outputs;
}

void compare(const bench_model &model, const char *what, const std::vector<double> &a,
             const std::vector<double> &b)
{
    for (size_t i = 0; i < a.size(); i++) {
        if (std::memcmp(&a[i], &b[i], sizeof(double)) != 0) {
            char text[256];
            std::snprintf(text, sizeof text, ": %s: row %zu, output %zu: %a, naive %a", what,
                          i / model.width, i % model.width, a[i], b[i]);
            fail(model.name + text);
        }
    }
}

// Every bit of every row, batch and single rows, with every level: or no figure is printed.
void check_agreement(const bench_model &model)
{
    const naive_owner naive = load_naive(model.naive_path);
    const model_owner opened = open_model(model.model_path);
    if (naive->leaf_width != model.width || model.rows.feature_count != naive->feature_count) {
        fail(model.name + ": rows or outputs of another width than the forest's");
    }
    std::vector<double> expected(model.rows.row_count * model.width);
    naive_predict_batch(naive.get(), model.rows.values.data(), model.rows.row_count,
                        expected.data());
    std::vector<double> single(expected.size());
    for (size_t r = 0; r < model.rows.row_count; r++) {
        naive_predict_row(naive.get(), model.rows.row(r), &single[r * model.width]);
    }
    compare(model, "naive, row by row", single, expected);
    for (const espalier_isa isa : {ESPALIER_ISA_AUTO, ESPALIER_ISA_SCALAR}) {
        const predictor_owner predictor = create_predictor(opened.get(), isa);
        const std::string kernel = espalier_predictor_kernel(predictor.get());
        for (const size_t rows_per_call : {size_t{1}, size_t{17}, model.rows.row_count}) {
            compare(model, (kernel + ", " + std::to_string(rows_per_call) + " rows a call").c_str(),
                    predict_all(model, predictor.get(), rows_per_call), expected);
        }
    }
}

bench_model prepare_given(const bench_settings &settings, size_t index)
{
    bench_model model;
    model.model_path = settings.models[index];
    model.name = model.model_path.substr(model.model_path.rfind('/') + 1);
    model.naive_path = settings.folder + "/" + model.name + ".naive";
    inspect_model(&model);
    make_naive(model);
    model.rows = index < settings.rows.size() ? read_npy(settings.rows[index]) : draw_rows(model);
    return model;
}

} // namespace

bench_settings parse_settings(int *count, char **arguments)
{
    bench_settings settings;
    const char *const folder = std::getenv("ESPALIER_BENCH_DIR");
    settings.folder = folder != nullptr ? folder : program_folder() + "/../bench-data";
    int kept = 1;
    for (int i = 1; i < *count; i++) {
        const std::string name = arguments[i];
        const auto value = [&]() -> std::string {
            if (i + 1 >= *count) {
                fail(name + ": a value is missing");
            }
            return arguments[++i];
        };
        if (name == "--model") {
            settings.models.push_back(value());
        } else if (name == "--rows") {
            settings.rows.push_back(value());
        } else if (name == "--forest") {
            settings.forests.push_back(value());
        } else if (name == "--dir") {
            settings.folder = value();
        } else if (name == "--cpu") {
            settings.cpu = std::atoi(value().c_str());
        } else if (name == "--quick") {
            settings.is_quick = true;
        } else if (name == "--small") {
            settings.is_quick = settings.is_small = true;
        } else {
            arguments[kept++] = arguments[i];
        }
    }
    arguments[kept] = nullptr;
    *count = kept;
    if (settings.is_small && settings.models.empty() && settings.forests.empty()) {
        settings.forests.push_back("depth8");
    }
    return settings;
}

model_owner open_model(const std::string &path, uint64_t flags)
{
    espalier_model *model = nullptr;
    espalier_error error;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = flags;
    if (espalier_model_open(path.c_str(), &options, &model, &error) != ESPALIER_OK) {
        fail(error.message);
    }
    return model_owner(model);
}

predictor_owner create_predictor(const espalier_model *model, espalier_isa isa)
{
    espalier_predictor *predictor = nullptr;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.isa = isa;
    const espalier_status status = espalier_predictor_create(model, &options, &predictor);
    if (status != ESPALIER_OK) {
        fail(std::string("predictor: ") + espalier_status_message(status));
    }
    return predictor_owner(predictor);
}

naive_owner load_naive(const std::string &path)
{
    naive_owner naive(naive_load(path.c_str()));
    if (!naive) {
        fail(path + ": not a naive stream");
    }
    return naive;
}

bench_model prepare_forest(const bench_settings &settings, const std::string &name, bool is_fresh)
{
    const forest_recipe &recipe = find_recipe(name);
    make_folder(settings.folder);
    bench_model model;
    model.name = name;
    model.source_path = settings.folder + "/" + name + ".joblib";
    model.model_path = settings.folder + "/" + name + ".espalier";
    model.naive_path = settings.folder + "/" + name + ".naive";
    const std::string rows = settings.folder + "/" + name + ".npy";
    make_source(recipe, model, rows);
    convert_source(model, is_fresh);
    inspect_model(&model);
    make_naive(model);
    model.rows = read_npy(rows);
    return model;
}

std::vector<bench_model> prepare_models(const bench_settings &settings, bool is_fresh)
{
    std::vector<bench_model> models;
    make_folder(settings.folder);
    for (size_t i = 0; i < settings.models.size(); i++) {
        models.push_back(prepare_given(settings, i));
    }
    std::vector<std::string> forests = settings.forests;
    for (const forest_recipe &recipe : RECIPES) {
        if (settings.models.empty() && settings.forests.empty() && recipe.is_usual) {
            forests.push_back(recipe.name);
        }
    }
    for (const std::string &name : forests) {
        models.push_back(prepare_forest(settings, name, is_fresh));
    }
    for (const bench_model &model : models) {
        check_agreement(model);
    }
    return models;
}

grown_file::grown_file(const bench_settings &settings, const bench_model &seed, uint64_t bytes)
    : path_(settings.folder + "/" + seed.name + "-" + std::to_string(bytes >> 20) + "MiB.espalier")
{
    if (!is_stale(path_)) {
        return;
    }
    // Only a walk grows: its nodes name their children.
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    espalier_error error;
    const std::string walk = path_ + ".seed";
    options.layout = ESPALIER_LAYOUT_WALK;
    if (espalier_convert(seed.source_path.c_str(), walk.c_str(), &options, nullptr, &error) !=
        ESPALIER_OK) {
        fail(error.message);
    }
    make_file(path_, [&](const std::string &path) { grow_model(walk, path, bytes); });
    std::remove(walk.c_str());
}

std::string grown_file::write_naive() const
{
    const std::string naive_path = path_ + ".naive";
    const model_owner opened = open_model(path_);
    make_file(naive_path, [&](const std::string &path) {
        if (!naive_write(opened.get(), path.c_str())) {
            fail(path + ": not writable");
        }
    });
    return naive_path;
}

grown_file::~grown_file()
{
    if (std::getenv("ESPALIER_BENCH_KEEP") == nullptr) {
        std::remove(path_.c_str());
        std::remove((path_ + ".naive").c_str());
    }
}

} // namespace espalier_bench
