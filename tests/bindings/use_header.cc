// SPDX-License-Identifier: Apache-2.0
/*
 * espalier.hpp's own promises: who owns what, what moves, what throws, what never allocates. That
 * the numbers are right is what run_bindings.py compares. argv[1] is the iris forest. Built with
 * sanitizers. Includes the installed header and the C++ library.
 */
#include <espalier.hpp>
#include <espalier_slot.hpp>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <limits>
#include <new>
#include <thread>
#include <unistd.h>

namespace
{
std::atomic<long> allocation_count = 0;
int failure_count = 0;
} // namespace

void *operator new(std::size_t bytes)
{
    allocation_count++;
    if (void *memory = std::malloc(bytes > 0 ? bytes : 1))
        return memory;
    throw std::bad_alloc();
}

void operator delete(void *memory) noexcept
{
    std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept
{
    std::free(memory);
}

namespace
{

using espalier::model;
using espalier::output;
using espalier::predictor;
using espalier::rows;

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            std::fprintf(stderr, "use_header: line %d: %s\n", __LINE__, #condition); \
            failure_count++;                                                         \
        }                                                                            \
    } while (false)

static_assert(!std::is_copy_constructible_v<model> && std::is_nothrow_move_constructible_v<model>);
static_assert(!std::is_copy_assignable_v<model> && std::is_nothrow_move_assignable_v<model>);
static_assert(!std::is_copy_constructible_v<predictor>);
static_assert(!std::is_copy_assignable_v<predictor>);
static_assert(std::is_nothrow_move_constructible_v<predictor>);
static_assert(std::is_nothrow_move_assignable_v<predictor>);

const double row[4] = {6.3, 2.5, 4.9, 1.5};

std::vector<double> probabilities(predictor &from)
{
    return from.predict<double>(output::probability, rows::one(row));
}

/* The status that a call throws; OK when it does not. */
template <class Call> espalier_status thrown(Call call)
{
    try {
        call();
    } catch (const espalier::error &error) {
        return error.status();
    }
    return ESPALIER_OK;
}

void check_ownership(const std::string &path)
{
    std::optional<model> opened(std::in_place, path);
    predictor first(*opened);
    const std::vector<double> expected = probabilities(first);
    model moved = std::move(*opened);
    CHECK(opened->native() == nullptr);
    CHECK(thrown([&] { opened->info(); }) == ESPALIER_ERROR_ARGUMENT);
    CHECK(thrown([&] { predictor nothing(*opened); }) == ESPALIER_ERROR_ARGUMENT);
    opened.reset();
    moved = model(path);
    CHECK(probabilities(first) == expected); /* it keeps the first model open */
    predictor second = std::move(first);
    CHECK(probabilities(second) == expected);
    double out[3];
    CHECK(first.try_predict(output::probability, rows::one(row), out).status ==
          ESPALIER_ERROR_ARGUMENT);
    CHECK(std::strcmp(first.kernel(), "") == 0);
    first = predictor(moved);
    CHECK(probabilities(first) == expected);
    second = std::move(first);
    CHECK(probabilities(second) == expected);
}

void check_ways_to_open(const std::string &path)
{
    const int descriptor = open(path.c_str(), O_RDONLY);
    const model by_descriptor = model::open_fd(descriptor, {ESPALIER_OPEN_VERIFY, 0});
    close(descriptor);
    std::ifstream file(path, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    struct alignas(64) block {
        std::byte data[64];
    };
    std::vector<block> blocks(bytes.size() / 64 + 1);
    std::memcpy(blocks.data(), bytes.data(), bytes.size());
    const model in_memory =
        model::open_memory(espalier::span(blocks.data()->data, bytes.size()), {});
    predictor first(by_descriptor);
    predictor second(in_memory);
    CHECK(probabilities(first) == probabilities(second));
    in_memory.verify();
    CHECK(thrown([&] { model::open_memory(espalier::span(blocks.data()->data, 100)); }) ==
          ESPALIER_ERROR_TRUNCATED);
    try {
        model("no such file");
        CHECK(false);
    } catch (const espalier::error &error) {
        CHECK(error.status() == ESPALIER_ERROR_OPEN && error.system_errno() == ENOENT);
        CHECK(std::strstr(error.what(), "no such file") != nullptr);
        CHECK(!error.file_offset() && error.format_rule() == 0);
    }
    /* The file in front of the NUL was opened. */
    const std::string longer = path + std::string("\0.old", 5);
    CHECK(thrown([&] { model cut(longer); }) == ESPALIER_ERROR_ARGUMENT);
    CHECK(thrown([&] { espalier::slot cut(longer); }) == ESPALIER_ERROR_ARGUMENT);
    blocks[0].data[20] ^= std::byte(1);
    try {
        model::open_memory(espalier::span(blocks.data()->data, bytes.size()));
        CHECK(false);
    } catch (const espalier::error &error) {
        CHECK(error.file_offset() && error.format_rule() != 0);
    }
}

void check_refusals(const std::string &path)
{
    const model opened(path);
    predictor from(opened);
    std::vector<double> values;
    for (int i = 0; i < 3; i++)
        values.insert(values.end(), std::begin(row), std::end(row));
    values[6] = std::numeric_limits<double>::infinity();
    std::vector<double> out(9, 7.0);
    const auto done = from.try_predict(output::probability, rows::row_major(values, 4), out);
    CHECK(!done && done.is_refused() && done.status == ESPALIER_ERROR_INFINITE);
    CHECK(done.rows_written == 1 && done.refused_row == 1 && done.refused_feature == 2);
    CHECK(out[0] == probabilities(from)[0] && out[3] == 7.0);
    try {
        from.predict<double>(output::probability, rows::row_major(values, 4));
        CHECK(false);
    } catch (const espalier::predict_error &error) {
        CHECK(error.result().refused_feature == 2);
        CHECK(std::strncmp(error.what(), "row 1, feature 2: ", 18) == 0);
    }
    const rows one = rows::one(row);
    CHECK(from.try_predict(output::probability, one, std::array<float, 3>()).status ==
          ESPALIER_ERROR_DTYPE);
    CHECK(from.try_predict(output::probability, one, std::array<double, 2>()).status ==
          ESPALIER_ERROR_OUTPUT_SIZE);
    CHECK(thrown([&] { from.predict<double>(output::value, one); }) == ESPALIER_ERROR_OUTPUT_KIND);
    CHECK(thrown([&] { from.predict<std::int64_t>(output::leaf, one); }) ==
          ESPALIER_ERROR_OUTPUT_KIND);
    CHECK(thrown([&] { rows::row_major(values, 5); }) == ESPALIER_ERROR_ARGUMENT);
    CHECK(thrown([&] { rows::row_major(values, 0); }) == ESPALIER_ERROR_ARGUMENT);
    CHECK(thrown([&] { rows::column_major(values, 5); }) == ESPALIER_ERROR_ARGUMENT);
    espalier::predictor_options leaves;
    leaves.flags = ESPALIER_PREDICTOR_LEAF;
    predictor with_leaves(opened, leaves);
    CHECK(with_leaves.predict<std::int64_t>(output::leaf, one).size() == 200);
}

void check_hot_path(const std::string &path)
{
    const model opened(path);
    predictor from(opened);
    std::array<double, 3> out{};
    static_assert(noexcept(from.try_predict(output::probability, rows::one(row), out)));
    const long before = allocation_count;
    for (int i = 0; i < 100; i++)
        CHECK(from.try_predict(output::probability, rows::one(row), out));
    CHECK(allocation_count == before);
}

void check_threads(const std::string &path)
{
    const model opened(path);
    predictor own(opened);
    const std::vector<double> expected = probabilities(own);
    std::vector<std::thread> threads;
    std::array<int, 4> wrong{};
    for (std::size_t i = 0; i < wrong.size(); i++) {
        threads.emplace_back([&, i] {
            predictor mine(opened);
            std::array<double, 3> out{};
            for (int j = 0; j < 500; j++) {
                wrong[i] += !mine.try_predict(output::probability, rows::one(row), out);
                wrong[i] += !std::equal(out.begin(), out.end(), expected.begin());
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    CHECK((wrong == std::array<int, 4>{}));
}

void check_contents(const std::string &path)
{
    const model opened(path);
    CHECK(opened.info().tree_count == 200 && opened.info().feature_count == 4);
    CHECK(!opened.find_output(output::value));
    CHECK(opened.find_output(output::probability)->width == 3);
    CHECK(opened.labels().size() == 3);
    CHECK(std::get<std::int64_t>(opened.labels()[2]) == 2);
    CHECK(thrown([&] { opened.labels(1); }) == ESPALIER_ERROR_ARGUMENT);
    CHECK(opened.feature_name(1u << 20).empty());
    CHECK(opened.metadata().find("RandomForestClassifier") != std::string_view::npos);
    CHECK(opened.proof().rows_compared > 0);
}

/* Walks every tree for a row: its leaf's number is what the leaf output says. */
void check_looking_in(const std::string &path)
{
    const model opened(path);
    espalier::predictor_options options;
    options.flags = ESPALIER_PREDICTOR_LEAF;
    predictor from(opened, options);
    const auto leaves = from.predict<std::int64_t>(output::leaf, rows::one(row));
    const std::vector<double> values = from.values(rows::one(row));
    CHECK(values.size() == opened.value_count() && opened.value_count() == 4);
    std::vector<double> sums(3);
    for (std::uint32_t t = 0; t < leaves.size(); t++) {
        const espalier_tree_info tree = opened.tree(t);
        std::uint32_t at = 0;
        espalier_node node = opened.node(t, at);
        for (std::uint32_t level = 0; level < tree.depth && node.feature != ESPALIER_FEATURE_NONE;
             level++) {
            at = opened.goes_left(node, values[node.feature]) ? node.left : node.right;
            node = opened.node(t, at);
        }
        CHECK(node.feature == ESPALIER_FEATURE_NONE);
        CHECK(opened.leaf_numbers(t).at(at) == leaves[t]);
        const std::vector<double> leaf = opened.leaf_values(tree, node);
        for (std::size_t i = 0; i < sums.size(); i++)
            sums[i] += leaf.at(i);
    }
    for (double &sum : sums)
        sum /= 200.0;
    CHECK(sums == probabilities(from));
    CHECK(opened.part(0).tree_count == 200);
    CHECK(thrown([&] { opened.tree(200); }) == ESPALIER_ERROR_ARGUMENT);
    CHECK(thrown([&] { opened.node(0, 1u << 30); }) == ESPALIER_ERROR_ARGUMENT);
    CHECK(opened.category_count(0) == 0 && !opened.category(0, 0));
    CHECK(thrown([&] { opened.category_number(0, "x"); }) == ESPALIER_ERROR_ARGUMENT);
}

void check_columns(const std::string &path)
{
    using espalier::column;
    using espalier::columns;
    const model opened(path);
    predictor from(opened);
    const std::array<double, 3> first{6.0, 5.0, 7.0};
    const std::array<float, 3> second{3.5f, 2.5f, 3.0f};
    const std::array<std::int8_t, 3> codes{1, 0, -1};
    const std::array<double, 2> entries{1.5, 4.5};
    const std::array<std::uint64_t, 3> last{0, 1, 2};
    const std::array<std::uint8_t, 1> bits{5};
    const column dictionary = column::of(entries);
    const std::vector<column> all = {column::of(first), column::of(second),
                                     column::coded(codes, dictionary),
                                     column::of(last).valid_where(bits)};
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const std::array<double, 12> same{6.0, 3.5, 4.5, 0.0, 5.0, 2.5, 1.5, nan, 7.0, 3.0, nan, 2.0};
    const auto expected = from.predict<double>(output::probability, rows::row_major(same, 4));
    const columns mixed(all);
    CHECK(mixed.row_count() == 3);
    CHECK(from.predict<double>(output::probability, mixed) == expected);
    std::array<double, 9> out{};
    const long before = allocation_count;
    CHECK(from.try_predict(output::probability, mixed, out));
    CHECK(allocation_count == before && std::equal(out.begin(), out.end(), expected.begin()));
    espalier::texts moved(std::vector<std::string>{"a", "", "b"});
    const espalier::texts words = std::move(moved);
    CHECK(words.size() == 3 && moved.size() == 0 && column::of(moved).size() == 0);
    moved.add("c");
    CHECK(moved.size() == 1);
    std::vector<column> wrong = all;
    wrong[1] = column::of(words);
    const auto done = from.try_predict(output::probability, columns(wrong), out);
    CHECK(done.status == ESPALIER_ERROR_DTYPE && done.refused_feature == 1);
    wrong[1] = column::of(entries);
    CHECK(thrown([&] { columns mixed_up(wrong); }) == ESPALIER_ERROR_ARGUMENT);
    CHECK(thrown([&] { column::of(first).valid_where({}); }) == ESPALIER_ERROR_ARGUMENT);
    wrong.pop_back();
    wrong[1] = all[1];
    CHECK(from.try_predict(output::probability, columns(wrong), out).status ==
          ESPALIER_ERROR_FEATURE_COUNT);
}

/* Columns of double stand for rows of float, in a model that compares doubles: a value that float
 * has on the other side of a threshold tells. */
void check_dtypes(const std::string &path)
{
    using espalier::columns;
    const model opened(path);
    predictor from(opened);
    std::vector<double> values(opened.info().feature_count);
    const espalier_node root = opened.node(0, 0);
    const double threshold = root.threshold;
    values.at(root.feature) =
        double(float(threshold)) > threshold ? threshold : std::nextafter(threshold, HUGE_VAL);
    std::vector<float> narrow;
    std::vector<espalier::column> all;
    for (const double &value : values) {
        narrow.push_back(float(value));
        all.push_back(espalier::column::of(espalier::span<const double>(&value, 1)));
    }
    const auto wide = from.predict<double>(output::margin, rows::one(values));
    const auto rounded = from.predict<double>(output::margin, rows::one(narrow));
    CHECK(wide != rounded);
    CHECK(from.predict<double>(output::margin, columns(all)) == wide);
    CHECK(from.predict<double>(output::margin, columns(all, ESPALIER_DTYPE_FLOAT64)) == wide);
    CHECK(from.predict<double>(output::margin, columns(all, ESPALIER_DTYPE_FLOAT32)) == rounded);
    std::array<double, 1> out{};
    CHECK(from.try_predict(output::margin, columns(all, ESPALIER_DTYPE_INT64), out).status ==
          ESPALIER_ERROR_DTYPE);
}

std::string said(const model &of, const std::vector<std::string> &names)
{
    try {
        (void)of.feature_order(names);
    } catch (const espalier::error &error) {
        return error.what();
    }
    return "";
}

/* Of a model whose features have names. */
void check_names(const std::string &path)
{
    using espalier::column;
    const model opened(path);
    const std::size_t count = opened.info().feature_count;
    std::vector<std::vector<double>> values;
    std::vector<double> one;
    std::vector<std::string> names;
    for (std::size_t f = 0; f < count; f++) {
        names.insert(names.begin(), std::string(opened.feature_name(std::uint32_t(f))));
        values.insert(values.begin(), {0.25 * double(f)});
        one.push_back(0.25 * double(f));
    }
    std::vector<column> all;
    for (const std::vector<double> &each : values)
        all.push_back(column::of(each));
    predictor from(opened);
    const auto bound = espalier::columns::by_name(opened, names, all);
    CHECK(from.predict<double>(output::margin, bound) ==
          from.predict<double>(output::margin, rows::one(one)));
    CHECK(opened.feature_order(names).front() == count - 1 && count > 1);
    CHECK(thrown([&] { espalier::columns::by_name(opened, names, std::vector{all[0]}); }) ==
          ESPALIER_ERROR_ARGUMENT);
    std::vector<std::string> wrong = names;
    wrong.push_back("unknown");
    CHECK(said(opened, wrong).find("the model has no feature \"unknown\"") == 0);
    wrong.back() = names[1];
    CHECK(said(opened, wrong).find("two columns \"" + names[1] + "\"") == 0);
    wrong = names;
    wrong[0] = "unknown";
    CHECK(said(opened, wrong).find("no column \"" + names[0] + "\"") == 0);
    wrong[0] = names[0] + std::string("\0x", 2);
    CHECK(thrown([&] { (void)opened.feature_order(wrong); }) == ESPALIER_ERROR_ARGUMENT);
    CHECK(thrown([&] { (void)opened.feature_order(std::vector<std::string>()); }) ==
          ESPALIER_ERROR_FEATURE_COUNT);
}

/* Readers on threads of their own, while the file is replaced by itself and refreshed. */
void check_slot(const std::string &path)
{
    espalier::slot served(path);
    predictor alone{model(path)};
    const std::vector<double> expected = probabilities(alone);
    {
        espalier::reader reader(served);
        espalier::lease lease = reader.acquire();
        CHECK(lease.version() == 1 && lease.width(output::probability) == 3);
        CHECK(lease.predict<double>(output::probability, rows::one(row)) == expected);
        CHECK(thrown([&] { reader.acquire(); }) == ESPALIER_ERROR_ARGUMENT);
        CHECK(thrown([&] { reader.warm(); }) == ESPALIER_ERROR_ARGUMENT);
        CHECK(served.refresh().changed == 0);
        const espalier_slot_state state = served.refresh(ESPALIER_REFRESH_ALWAYS);
        CHECK(state.changed == 1 && state.version == 2 && state.held_count == 1);
        CHECK(lease.predict<double>(output::probability, rows::one(row)) == expected);
    }
    CHECK(served.collect().held_count == 0);
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++) {
        threads.emplace_back([&] {
            espalier::reader mine(served);
            std::array<double, 3> out{};
            for (int j = 0; j < 300; j++) {
                espalier::lease lease = mine.acquire();
                wrong += !lease.try_predict(output::probability, rows::one(row), out);
                wrong += !std::equal(out.begin(), out.end(), expected.begin());
            }
        });
    }
    for (int i = 0; i < 20; i++)
        served.refresh(ESPALIER_REFRESH_ALWAYS);
    for (std::thread &thread : threads)
        thread.join();
    CHECK(wrong == 0);
    std::optional<espalier::slot> gone(std::in_place, path);
    espalier::reader last(*gone);
    gone.reset(); /* the reader keeps it open */
    CHECK(last.warm(128) == 128 && last.warm() == 0);
    CHECK(last.acquire().predict<double>(output::probability, rows::one(row)) == expected);
    CHECK(thrown([] { espalier::slot none("no such file"); }) == ESPALIER_ERROR_OPEN);
    espalier::slot_options newest;
    newest.reader_count_max = 1;
    espalier::slot small(path, newest);
    espalier::reader only(small);
    CHECK(thrown([&] { espalier::reader more(small); }) == ESPALIER_ERROR_LIMIT);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    check_ownership(argv[1]);
    check_ways_to_open(argv[1]);
    check_refusals(argv[1]);
    check_hot_path(argv[1]);
    check_threads(argv[1]);
    check_contents(argv[1]);
    check_looking_in(argv[1]);
    check_columns(argv[1]);
    check_dtypes(argv[2]);
    check_names(argv[2]);
    CHECK(thrown([&] { (void)model(argv[1]).feature_order(std::vector{"a"}); }) ==
          ESPALIER_ERROR_ARGUMENT);
    check_slot(argv[1]);
    std::printf("use_header: %d failures\n", failure_count);
    return failure_count == 0 ? 0 : 1;
}
