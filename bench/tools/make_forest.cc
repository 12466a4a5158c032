// SPDX-License-Identifier: Apache-2.0
/*
 * make_forest: trains a seeded synthetic forest and saves it as a joblib file of scikit-learn's
 * RandomForestClassifier, with rows the forest has not seen as .npy. For benchmarks, and for trying
 * the converter on a large file without Python.
 */
#include "../joblib_file.h"
#include "../npy_rows.h"
#include "../training.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <getopt.h>
#include <stdexcept>
#include <string>

namespace
{

using namespace espalier_bench;

constexpr char USAGE[] =
    "usage: make_forest -o FOREST.joblib [--rows ROWS.npy] [OPTION]...\n"
    "Trains a random forest on seeded synthetic rows and saves it as joblib would.\n"
    "  --trees N        trees (200)\n"
    "  --depth N        depth limit; 0: until the leaves are pure (0)\n"
    "  --classes N      classes, 2 .. 64 (2)\n"
    "  --features N     features, at least 20 (50)\n"
    "  --train-rows N   training rows (50000)\n"
    "  --candidates N   random splits scored per node (30)\n"
    "  --row-count N    unseen rows to write (10000)\n"
    "  --seed N         seed; the same settings give the same bytes (1)\n"
    "  --threads N      threads; of no influence on the result (2)\n";

uint32_t parse_count(const char *text, uint32_t least, uint32_t most)
{
    char *end = nullptr;
    const unsigned long value = std::strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < least || value > most) {
        throw std::runtime_error(std::string(text) + ": not a number from " +
                                 std::to_string(least) + " to " + std::to_string(most));
    }
    return static_cast<uint32_t>(value);
}

struct settings {
    training_options options;
    std::string forest_path;
    std::string rows_path;
    bool is_help = false;
};

settings parse_arguments(int count, char **arguments)
{
    static const struct option long_options[] = {{"output", required_argument, nullptr, 'o'},
                                                 {"rows", required_argument, nullptr, 'r'},
                                                 {"trees", required_argument, nullptr, 't'},
                                                 {"depth", required_argument, nullptr, 'd'},
                                                 {"classes", required_argument, nullptr, 'c'},
                                                 {"features", required_argument, nullptr, 'f'},
                                                 {"train-rows", required_argument, nullptr, 'n'},
                                                 {"candidates", required_argument, nullptr, 'k'},
                                                 {"row-count", required_argument, nullptr, 'u'},
                                                 {"seed", required_argument, nullptr, 's'},
                                                 {"threads", required_argument, nullptr, 'j'},
                                                 {"help", no_argument, nullptr, 'h'},
                                                 {nullptr, 0, nullptr, 0}};
    settings result;
    training_options &options = result.options;
    int code;
    while ((code = getopt_long(count, arguments, "o:r:h", long_options, nullptr)) != -1) {
        switch (code) {
        case 'o':
            result.forest_path = optarg;
            break;
        case 'r':
            result.rows_path = optarg;
            break;
        case 't':
            options.tree_count = parse_count(optarg, 1, 1u << 20);
            break;
        case 'd':
            options.depth_max = parse_count(optarg, 0, 1000);
            break;
        case 'c':
            options.class_count = parse_count(optarg, 2, 64);
            break;
        case 'f':
            options.feature_count = parse_count(optarg, 20, 1u << 16);
            break;
        case 'n':
            options.row_count = parse_count(optarg, 2, 1u << 28);
            break;
        case 'k':
            options.candidate_count = parse_count(optarg, 1, 1u << 16);
            break;
        case 'u':
            options.unseen_count = parse_count(optarg, 1, 1u << 28);
            break;
        case 's':
            options.seed = parse_count(optarg, 0, INT32_MAX);
            break;
        case 'j':
            options.thread_count = parse_count(optarg, 1, 1024);
            break;
        case 'h':
            result.is_help = true;
            break;
        default:
            throw std::runtime_error("see make_forest --help");
        }
    }
    if (!result.is_help && (result.forest_path.empty() || optind != count)) {
        throw std::runtime_error("an output file and nothing else; see make_forest --help");
    }
    return result;
}

void run(const settings &chosen)
{
    const training_options &options = chosen.options;
    const trained_forest forest = train_forest(options, make_rows(options, options.row_count, 0));
    write_joblib(forest, chosen.forest_path);
    std::printf("%s: %u trees, %" PRIu64 " nodes, %.0f visits per row\n",
                chosen.forest_path.c_str(), options.tree_count, forest.node_count(),
                forest.visits_per_row());
    if (!chosen.rows_path.empty()) {
        write_npy(chosen.rows_path, make_unseen_rows(options));
        std::printf("%s: %u rows, %u features\n", chosen.rows_path.c_str(), options.unseen_count,
                    options.feature_count);
    }
}

} // namespace

int main(int count, char **arguments)
{
    try {
        const settings chosen = parse_arguments(count, arguments);
        if (chosen.is_help) {
            std::fputs(USAGE, stdout);
        } else {
            run(chosen);
        }
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "make_forest: %s\n", error.what());
        return 1;
    }
}
