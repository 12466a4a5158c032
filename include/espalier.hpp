// SPDX-License-Identifier: Apache-2.0
/*
 * Espalier for C++17: RAII over espalier.h and espalier_inspect.h, header only; espalier_slot.hpp
 * swaps models while they serve.
 * May include these and the C++ library; must never print, nor allocate in the noexcept calls.
 *
 *     espalier::model model("forest.espalier");
 *     espalier::predictor predictor(model);
 *     const float x[4] = {6.3f, 2.5f, 4.9f, 1.5f};
 *     auto row = espalier::rows::one(x);
 *     auto p = predictor.predict<double>(espalier::output::probability, row); // a vector
 *
 *     std::array<double, 3> out; // the hot path: no allocation, no exception
 *     auto done = predictor.try_predict(espalier::output::probability, row, out);
 *     if (!done)
 *         log(espalier_status_message(done.status), done.refused_feature);
 *
 * Conventions are those of espalier.h, and these:
 *  - Types that own something move and do not copy. One that was moved from may be destroyed or
 *    assigned to; any other call on it fails with ESPALIER_ERROR_ARGUMENT, or reads empty.
 *  - A predictor keeps the model it came from open, so the two may be destroyed in any order. What
 *    string_view names is valid until the model and all its predictors are gone.
 *  - Everything that is not noexcept throws espalier::error, or std::bad_alloc.
 *  - A model may be used by any number of threads; a predictor by one at a time.
 */
#ifndef ESPALIER_HPP
#define ESPALIER_HPP

#include "espalier.h"
#include "espalier_inspect.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace espalier
{

/* ---------------------------------------------------------------------------------------------
 * Views
 * ------------------------------------------------------------------------------------------- */

/* A pointer and a number of elements, as std::span; made of arrays, vectors and std::span too. */
template <class T> class span
{
public:
    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class Container,
              class = std::enable_if_t<std::is_convertible_v<
                  std::remove_pointer_t<decltype(std::data(std::declval<Container &>()))> (*)[],
                  T (*)[]>>>
    constexpr span(Container &&from) noexcept : data_(std::data(from)), size_(std::size(from))
    {
    }
    constexpr T *data() const noexcept
    {
        return data_;
    }
    constexpr std::size_t size() const noexcept
    {
        return size_;
    }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

template <class Container>
span(Container &&) -> span<std::remove_pointer_t<decltype(std::data(std::declval<Container &>()))>>;

/* The espalier_dtype of a C++ type; only these four are specialised. */
template <class T> struct dtype_of;
template <>
struct dtype_of<float> : std::integral_constant<espalier_dtype, ESPALIER_DTYPE_FLOAT32> {
};
template <>
struct dtype_of<double> : std::integral_constant<espalier_dtype, ESPALIER_DTYPE_FLOAT64> {
};
template <>
struct dtype_of<std::int32_t> : std::integral_constant<espalier_dtype, ESPALIER_DTYPE_INT32> {
};
template <>
struct dtype_of<std::int64_t> : std::integral_constant<espalier_dtype, ESPALIER_DTYPE_INT64> {
};

/* ---------------------------------------------------------------------------------------------
 * Errors
 * ------------------------------------------------------------------------------------------- */

/* What espalier.h says of a failure. what() is its message: file, place and cause in one line. */
class error : public std::runtime_error
{
public:
    explicit error(const espalier_error &from)
        : std::runtime_error(from.message[0] != '\0' ? from.message
                                                     : espalier_status_message(from.status)),
          status_(from.status), system_errno_(from.system_errno), file_offset_(from.file_offset),
          format_rule_(from.format_rule)
    {
    }
    error(espalier_status status, const std::string &text)
        : std::runtime_error(text + ": " + espalier_status_message(status)), status_(status)
    {
    }
    espalier_status status() const noexcept
    {
        return status_;
    }
    /* As "ESPALIER_ERROR_TRUNCATED". */
    const char *status_name() const noexcept
    {
        return espalier_status_name(status_);
    }
    /* errno of the failed system call, or 0. */
    int system_errno() const noexcept
    {
        return system_errno_;
    }
    /* Bytes from the file's start, where there is a place in a file to name. */
    std::optional<std::uint64_t> file_offset() const noexcept
    {
        return file_offset_ == ESPALIER_OFFSET_NONE ? std::nullopt : std::optional(file_offset_);
    }
    /* n of rule [F-n] in docs/format.md, or 0. */
    std::uint32_t format_rule() const noexcept
    {
        return format_rule_;
    }

private:
    espalier_status status_;
    int system_errno_ = 0;
    std::uint64_t file_offset_ = ESPALIER_OFFSET_NONE;
    std::uint32_t format_rule_ = 0;
};

/* For the wrapper's own calls. */
namespace detail
{
inline void check(espalier_status status, const char *what)
{
    if (status != ESPALIER_OK)
        throw error(status, what);
}

/* A path as C takes it. Throws ARGUMENT: C would open what stands in front of a NUL. */
inline const char *path_text(const std::string &path)
{
    if (path.find('\0') != std::string::npos)
        throw error(ESPALIER_ERROR_ARGUMENT, path.substr(0, path.find('\0')) + "...: a NUL");
    return path.c_str();
}

inline espalier_error no_error() noexcept
{
    espalier_error empty{};
    empty.file_offset = ESPALIER_OFFSET_NONE;
    return empty;
}
} // namespace detail

/* ---------------------------------------------------------------------------------------------
 * Model
 * ------------------------------------------------------------------------------------------- */

enum class output : int {
    margin = ESPALIER_OUTPUT_MARGIN,
    probability = ESPALIER_OUTPUT_PROBABILITY,
    class_index = ESPALIER_OUTPUT_CLASS, /* int32: see model::labels */
    value = ESPALIER_OUTPUT_VALUE,
    leaf = ESPALIER_OUTPUT_LEAF, /* wants ESPALIER_PREDICTOR_LEAF */
    score = ESPALIER_OUTPUT_SCORE
};

constexpr std::array<output, 6> outputs_all = {output::margin,      output::probability,
                                               output::class_index, output::value,
                                               output::leaf,        output::score};

/* Flags as in espalier.h, for example ESPALIER_OPEN_VERIFY | ESPALIER_OPEN_PREFAULT. */
struct open_options {
    std::uint64_t flags = 0;
    std::uint64_t visits_per_row_max = 0;
};

/* A class label as the trainer had it; BOOL is bool, STRING is UTF-8. */
using label = std::variant<std::int64_t, std::uint64_t, double, bool, std::string>;

class model
{
public:
    /* Maps the file at path; see espalier_model_open. */
    explicit model(const std::string &path, open_options options = {})
        : model(opened([name = detail::path_text(path)](
                           auto... rest) { return espalier_model_open(name, rest...); },
                       options))
    {
    }
    /* See espalier_model_open_fd; the descriptor stays the caller's. */
    static model open_fd(int descriptor, open_options options = {})
    {
        return opened([&](auto... rest) { return espalier_model_open_fd(descriptor, rest...); },
                      options);
    }
    /* See espalier_model_open_memory: 64-byte aligned, readable until the last user is gone. */
    static model open_memory(span<const std::byte> bytes, open_options options = {})
    {
        return opened(
            [&](auto... rest) {
                return espalier_model_open_memory(bytes.data(), bytes.size(), rest...);
            },
            options);
    }
    model(model &&) noexcept = default;
    model &operator=(model &&) noexcept = default;
    model(const model &) = delete;
    model &operator=(const model &) = delete;
    ~model() = default;

    /* Reads and checks the whole file, see espalier_model_verify. */
    void verify() const
    {
        espalier_error failure = detail::no_error();
        failure.status = espalier_model_verify(native(), &failure);
        if (failure.status != ESPALIER_OK)
            throw error(failure);
    }
    espalier_model_info info() const
    {
        espalier_model_info found = ESPALIER_MODEL_INFO_INIT;
        detail::check(espalier_model_info_get(native(), &found), "model info");
        return found;
    }
    /* What one kind of output looks like; nothing when the model has no such output. */
    std::optional<espalier_output_info> find_output(output kind) const noexcept
    {
        espalier_output_info found;
        if (espalier_model_output(native(), static_cast<espalier_output_kind>(kind), &found) !=
            ESPALIER_OK)
            return std::nullopt;
        return found;
    }
    /* Empty when the model has no names, or not as many features. */
    std::string_view feature_name(std::uint32_t feature_index) const noexcept
    {
        const char *name = espalier_model_feature_name(native(), feature_index);
        return name == nullptr ? std::string_view() : std::string_view(name);
    }
    /*
     * Binds columns by name, in any order: the column of feature f is the one whose name is at
     * [f] of the result. `names`: of all columns, anything that string_views can be made of.
     * Throws FEATURE_COUNT with the first name that is missing, unknown or there twice, and
     * ARGUMENT when the model has no names or a name holds a NUL.
     */
    template <class Names> std::vector<std::size_t> feature_order(const Names &names) const
    {
        const std::vector<std::string> texts(std::begin(names), std::end(names));
        std::vector<const char *> raw;
        for (const std::string &one : texts)
            raw.push_back(detail::path_text(one));
        raw.push_back(nullptr); /* so that there is an array of no names */
        std::vector<std::size_t> order(info().feature_count);
        std::uint32_t missing = 0;
        const espalier_status status =
            espalier_model_feature_order(native(), raw.data(), texts.size(), order.data(),
                                         &missing);
        if (status == ESPALIER_ERROR_FEATURE_COUNT)
            throw error(status, "no column \"" + std::string(feature_name(missing)) + "\"");
        detail::check(status, "names of columns");
        check_left(texts, order);
        return order;
    }
    /* The labels that output::class_index counts; of one of the trainer's outputs. */
    std::vector<label> labels(std::uint32_t output_index = 0) const
    {
        espalier_label_info found;
        detail::check(espalier_model_labels(native(), output_index, &found), "class labels");
        std::vector<label> all;
        all.reserve(found.count);
        for (std::uint32_t i = 0; i < found.count; i++) {
            espalier_label one;
            detail::check(espalier_model_class_label(native(), output_index, i, &one),
                          "class label");
            all.push_back(to_label(one));
        }
        return all;
    }
    /* JSON text; only verify() checks that it is. */
    std::string_view metadata() const
    {
        const char *text = nullptr;
        std::size_t bytes = 0;
        detail::check(espalier_model_metadata(native(), &text, &bytes), "metadata");
        return {text, bytes};
    }
    espalier_proof proof() const
    {
        espalier_proof found;
        detail::check(espalier_model_proof(native(), &found), "proof");
        return found;
    }
    /* How many categories of text a feature has; 0: it takes numbers only. */
    std::uint32_t category_count(std::uint32_t feature_index) const noexcept
    {
        return espalier_model_category_count(native(), feature_index);
    }
    /* The category with a number, UTF-8; nothing when there is none. */
    std::optional<std::string_view> category(std::uint32_t feature_index,
                                             std::uint32_t category_index) const noexcept
    {
        std::size_t bytes = 0;
        const char *text = espalier_model_category(native(), feature_index, category_index, &bytes);
        if (text == nullptr)
            return std::nullopt;
        return std::string_view(text, bytes);
    }
    /* The number that rows have for a string, see espalier_model_category_number. */
    double category_number(std::uint32_t feature_index, std::string_view text) const
    {
        double number = 0.0;
        detail::check(espalier_model_category_number(native(), feature_index, text.data(),
                                                     text.size(), &number),
                      "category");
        return number;
    }

    /* Looking into it, as espalier_inspect.h says. A tree below info().tree_count. */
    espalier_tree_info tree(std::uint32_t tree_index) const
    {
        espalier_tree_info found;
        detail::check(espalier_model_tree(native(), tree_index, &found), "tree");
        return found;
    }
    /* The node at a position of a tree; the root is at 0. */
    espalier_node node(std::uint32_t tree_index, std::uint32_t position) const
    {
        espalier_node found;
        detail::check(espalier_model_node(native(), tree_index, position, &found), "node");
        return found;
    }
    /* Whether a value of node.feature goes left, missing ones and sets included. */
    bool goes_left(const espalier_node &at, double value) const noexcept
    {
        return espalier_model_node_left(native(), &at, value) != 0;
    }
    /* The trainer's numbers of the leaves, by position; ESPALIER_NUMBER_NONE elsewhere. */
    std::vector<std::uint32_t> leaf_numbers(std::uint32_t tree_index) const
    {
        std::vector<std::uint32_t> numbers(tree(tree_index).position_count);
        detail::check(espalier_model_leaf_numbers(native(), tree_index, numbers.data(),
                                                  numbers.size()),
                      "leaf numbers");
        return numbers;
    }
    /* The leaf_width values of a leaf of a tree's part. */
    std::vector<double> leaf_values(const espalier_tree_info &of, const espalier_node &leaf) const
    {
        std::vector<double> values(of.leaf_width);
        detail::check(espalier_model_leaf(native(), of.part_index, leaf.leaf_index, values.data(),
                                          values.size()),
                      "leaf values");
        return values;
    }
    espalier_part_info part(std::uint32_t part_index) const
    {
        espalier_part_info found = ESPALIER_PART_INFO_INIT;
        detail::check(espalier_model_part(native(), part_index, &found), "part");
        return found;
    }
    /* How many values node.feature may name; see espalier_model_value_count. */
    std::uint32_t value_count() const noexcept
    {
        return espalier_model_value_count(native());
    }
    /* The unit of covers, and by node.feature the cover; see espalier_model_covers. */
    std::pair<std::uint32_t, std::vector<double>> covers() const
    {
        std::vector<double> found(value_count());
        const std::uint32_t unit = espalier_model_covers(native(), found.data(), found.size());
        return {unit, std::move(found)};
    }
    /* For calls that this header does not wrap; NULL after a move. */
    const espalier_model *native() const noexcept
    {
        return owned_.get();
    }

private:
    friend class predictor;
    explicit model(espalier_model *opened_model) : owned_(opened_model, espalier_model_close) {}
    template <class Open> static model opened(Open open, const open_options &wanted)
    {
        espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
        options.flags = wanted.flags;
        options.visits_per_row_max = wanted.visits_per_row_max;
        espalier_model *found = nullptr;
        espalier_error failure = detail::no_error();
        failure.status = open(&options, &found, &failure);
        if (failure.status != ESPALIER_OK)
            throw error(failure);
        return model(found);
    }
    /* Throws where a name is left over: another one was bound, or it is no feature's. */
    static void check_left(const std::vector<std::string> &names,
                           const std::vector<std::size_t> &order)
    {
        std::vector<bool> bound(names.size());
        for (const std::size_t place : order)
            bound[place] = true;
        const auto left = std::find(bound.begin(), bound.end(), false);
        if (left == bound.end())
            return;
        const std::string &name = names[static_cast<std::size_t>(left - bound.begin())];
        const bool again = std::count(names.begin(), names.end(), name) > 1;
        throw error(ESPALIER_ERROR_FEATURE_COUNT,
                    (again ? "two columns \"" : "the model has no feature \"") + name + "\"");
    }
    static label to_label(const espalier_label &from)
    {
        switch (from.kind) {
        case ESPALIER_LABEL_UINT:
            return static_cast<std::uint64_t>(from.integer);
        case ESPALIER_LABEL_FLOAT:
            return from.real;
        case ESPALIER_LABEL_BOOL:
            return from.integer != 0;
        case ESPALIER_LABEL_STRING:
            return std::string(from.text, from.text_bytes);
        default:
            return from.integer;
        }
    }

    std::shared_ptr<espalier_model> owned_;
};

/* ---------------------------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------------------------- */

/* A view of float or double rows; the values stay the caller's. */
class rows
{
public:
    /* All values are one row. */
    template <class Container> static rows one(const Container &values) noexcept
    {
        const auto view = span(values);
        return rows(view, 1, view.size(), static_cast<std::ptrdiff_t>(view.size()), 1);
    }
    /* Row after row, feature_count values each. Throws ARGUMENT unless they fill whole rows. */
    template <class Container>
    static rows row_major(const Container &values, std::size_t feature_count)
    {
        const auto view = span(values);
        const std::size_t row_count = whole(view.size(), feature_count, "row_major");
        return rows(view, row_count, feature_count, static_cast<std::ptrdiff_t>(feature_count), 1);
    }
    /* Feature after feature, row_count values each. */
    template <class Container>
    static rows column_major(const Container &values, std::size_t row_count)
    {
        const auto view = span(values);
        const std::size_t feature_count = whole(view.size(), row_count, "column_major");
        return rows(view, row_count, feature_count, 1, static_cast<std::ptrdiff_t>(row_count));
    }
    /* Any strides, unchecked: the caller vouches for every element. */
    explicit rows(const espalier_rows &from) noexcept : rows_(from) {}
    std::size_t row_count() const noexcept
    {
        return rows_.row_count;
    }
    const espalier_rows &native() const noexcept
    {
        return rows_;
    }

private:
    template <class T>
    rows(span<const T> values, std::size_t row_count, std::size_t feature_count,
         std::ptrdiff_t row_stride, std::ptrdiff_t feature_stride) noexcept
        : rows_{values.data(), dtype_of<T>::value, 0, row_count, feature_count,
                row_stride,    feature_stride}
    {
        static_assert(std::is_floating_point_v<T>, "rows are float or double");
    }
    static std::size_t whole(std::size_t size, std::size_t each, const char *what)
    {
        if (each == 0 ? size != 0 : size % each != 0)
            throw error(ESPALIER_ERROR_ARGUMENT, what);
        return each == 0 ? 0 : size / each;
    }

    espalier_rows rows_;
};

/* ---------------------------------------------------------------------------------------------
 * Columns
 * ------------------------------------------------------------------------------------------- */

/* The espalier_dtype of what a column may hold. */
template <class T> constexpr espalier_dtype column_dtype() noexcept
{
    static_assert(std::is_arithmetic_v<T> && sizeof(T) <= 8, "columns hold numbers, or texts");
    if constexpr (std::is_floating_point_v<T>)
        return sizeof(T) == 4 ? ESPALIER_DTYPE_FLOAT32 : ESPALIER_DTYPE_FLOAT64;
    else if constexpr (std::is_same_v<T, bool>)
        return ESPALIER_DTYPE_BOOL;
    else if constexpr (std::is_signed_v<T>)
        return sizeof(T) == 1   ? ESPALIER_DTYPE_INT8
               : sizeof(T) == 2 ? ESPALIER_DTYPE_INT16
               : sizeof(T) == 4 ? ESPALIER_DTYPE_INT32
                                : ESPALIER_DTYPE_INT64;
    else
        return sizeof(T) == 1   ? ESPALIER_DTYPE_UINT8
               : sizeof(T) == 2 ? ESPALIER_DTYPE_UINT16
               : sizeof(T) == 4 ? ESPALIER_DTYPE_UINT32
                                : ESPALIER_DTYPE_UINT64;
}

/* A copy of strings as columns read them: one block of UTF-8, and where each begins and ends. */
class texts
{
public:
    texts() = default;
    /* Of anything that string_views can be made of, in order. */
    template <class Container> explicit texts(const Container &from)
    {
        for (const auto &one : from)
            add(one);
    }
    void add(std::string_view text)
    {
        if (ends_.empty()) /* moved from */
            *this = texts();
        text_.append(text);
        ends_.push_back(static_cast<std::int64_t>(text_.size()));
    }
    std::size_t size() const noexcept
    {
        return ends_.empty() ? 0 : ends_.size() - 1;
    }

private:
    friend class column;
    std::string text_;
    std::vector<std::int64_t> ends_{0};
};

/* The values of one feature in all rows: a view, whose values stay the caller's. */
class column
{
public:
    /* Numbers or bools, one a row: a vector (not of bool), array or span. */
    template <class Container> static column of(const Container &values) noexcept
    {
        const auto view = span(values);
        using element = std::remove_const_t<std::remove_pointer_t<decltype(view.data())>>;
        return column(view.data(), column_dtype<element>(), view.size());
    }
    static column of(const texts &values) noexcept
    {
        column made(values.ends_.data(), ESPALIER_DTYPE_STRING64, values.size());
        made.raw_.text = values.text_.data();
        made.raw_.text_bytes = values.text_.size();
        return made;
    }
    /* Integers that number the entries of a dictionary from 0, one a row; others are missing. Both
     * must outlive the prediction, the dictionary as the object it is. */
    template <class Container>
    static column coded(const Container &codes, const column &dictionary) noexcept
    {
        column made = of(codes);
        made.raw_.dictionary = &dictionary.raw_;
        made.raw_.dictionary_count = dictionary.size_;
        return made;
    }
    /* Rows whose bit of `bits` is 0 are missing, the least significant bit of a byte first.
     * Throws ARGUMENT when there are fewer bits than rows. */
    column valid_where(span<const std::uint8_t> bits) const
    {
        if (bits.size() < (size_ + 7) / 8)
            throw error(ESPALIER_ERROR_ARGUMENT, "valid_where");
        column made = *this;
        made.raw_.validity = bits.data();
        return made;
    }
    std::size_t size() const noexcept
    {
        return size_;
    }
    const espalier_feature_column &native() const noexcept
    {
        return raw_;
    }

private:
    column(const void *data, espalier_dtype dtype, std::size_t size) noexcept : size_(size)
    {
        raw_.data = data;
        raw_.dtype = dtype;
    }

    espalier_feature_column raw_ = ESPALIER_FEATURE_COLUMN_INIT;
    std::size_t size_ = 0;
};

/* Rows as columns, one for each feature, in the model's order. The values stay the caller's. */
class columns
{
public:
    /* Throws ARGUMENT unless all columns have as many values. dtype: of the rows that they stand
     * for, ESPALIER_DTYPE_FLOAT32 or FLOAT64; 0: what NumPy makes of them. */
    template <class Container> explicit columns(const Container &all, std::uint32_t dtype = 0)
    {
        for (const column &one : all) {
            if (!raw_.empty() && one.size() != row_count_)
                throw error(ESPALIER_ERROR_ARGUMENT, "columns of different lengths");
            row_count_ = one.size();
            raw_.push_back(one.native());
        }
        dtype_ = dtype;
    }
    /* Columns in any order, bound to the model's features by their names, as many as columns:
     * model::feature_order says what it throws. */
    template <class Names, class Container>
    static columns by_name(const model &of, const Names &names, const Container &all,
                           std::uint32_t dtype = 0)
    {
        if (std::size(names) != std::size(all))
            throw error(ESPALIER_ERROR_ARGUMENT, "as many names as columns");
        std::vector<column> bound;
        for (const std::size_t place : of.feature_order(names))
            bound.push_back(*(std::begin(all) + static_cast<std::ptrdiff_t>(place)));
        return columns(bound, dtype);
    }
    std::size_t row_count() const noexcept
    {
        return row_count_;
    }
    espalier_feature_columns native() const noexcept
    {
        return {raw_.data(), raw_.size(), row_count_, dtype_, 0};
    }

private:
    std::vector<espalier_feature_column> raw_;
    std::size_t row_count_ = 0;
    std::uint32_t dtype_ = 0;
};

/* ---------------------------------------------------------------------------------------------
 * Predictor
 * ------------------------------------------------------------------------------------------- */

struct predictor_options {
    std::uint64_t flags = 0; /* ESPALIER_PREDICTOR_LEAF, ESPALIER_PREDICTOR_UNCHECKED */
    espalier_isa isa = ESPALIER_ISA_AUTO;
    std::uint32_t block_rows_max = 0;
    std::uint32_t iteration_first = 0;
    std::uint32_t iteration_count = 0; /* 0: the model's default range */
};

namespace detail
{
inline espalier_predictor_options to_native(const predictor_options &wanted) noexcept
{
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = wanted.flags;
    options.isa = wanted.isa;
    options.block_rows_max = wanted.block_rows_max;
    options.iteration_first = wanted.iteration_first;
    options.iteration_count = wanted.iteration_count;
    return options;
}
} // namespace detail

/* How a prediction went. The refused row and feature mean something for MISSING, INFINITE and
 * CATEGORY alone, of columns the feature for DTYPE and ARGUMENT too; the rows before it are
 * written. */
struct [[nodiscard]] result {
    espalier_status status = ESPALIER_OK;
    std::size_t rows_written = 0;
    std::size_t refused_row = 0;
    std::size_t refused_feature = 0;

    explicit operator bool() const noexcept
    {
        return status == ESPALIER_OK;
    }
    bool is_refused() const noexcept
    {
        return status == ESPALIER_ERROR_MISSING || status == ESPALIER_ERROR_INFINITE ||
               status == ESPALIER_ERROR_CATEGORY;
    }
};

/* A refused or failed prediction. */
class predict_error : public error
{
public:
    explicit predict_error(const result &from) : error(from.status, place(from)), result_(from) {}
    const espalier::result &result() const noexcept
    {
        return result_;
    }

private:
    static std::string place(const espalier::result &from)
    {
        if (!from.is_refused())
            return "predict";
        return "row " + std::to_string(from.refused_row) + ", feature " +
               std::to_string(from.refused_feature);
    }

    espalier::result result_;
};

namespace detail
{
inline espalier_status call(espalier_predictor *with, output kind, const rows &from,
                            espalier_outputs *to) noexcept
{
    return espalier_predict(with, static_cast<espalier_output_kind>(kind), &from.native(), to);
}

inline espalier_status call(espalier_predictor *with, output kind, const columns &from,
                            espalier_outputs *to) noexcept
{
    const espalier_feature_columns all = from.native();
    return espalier_predict_columns(with, static_cast<espalier_output_kind>(kind), &all, to);
}

/* Predicts into `out`, whose elements must be of the output's dtype; 0: none of the kind. */
template <class Rows, class Out>
result predict(espalier_predictor *with, std::uint32_t dtype, output kind, const Rows &from,
               Out &&out, std::size_t row_stride) noexcept
{
    const auto view = span(out);
    using element = std::remove_pointer_t<decltype(view.data())>;
    static_assert(!std::is_const_v<element>, "outputs are written");
    if (dtype != 0 && dtype != dtype_of<element>::value)
        return {ESPALIER_ERROR_DTYPE, 0, 0, 0};
    espalier_outputs to{view.data(), view.size() * sizeof(element), row_stride, 0, 0, 0};
    const espalier_status status = call(with, kind, from, &to);
    return {status, to.rows_written, to.refused_row, to.refused_feature};
}

/* The same into a new vector; throws predict_error. */
template <class T, class Rows>
std::vector<T> predict_new(espalier_predictor *with, std::uint32_t dtype, std::size_t width,
                           output kind, const Rows &from)
{
    if (dtype == 0)
        throw predict_error({ESPALIER_ERROR_OUTPUT_KIND, 0, 0, 0});
    if (from.row_count() > std::numeric_limits<std::size_t>::max() / width / sizeof(T))
        throw predict_error({ESPALIER_ERROR_STRIDE, 0, 0, 0});
    std::vector<T> out(from.row_count() * width);
    const result done = predict(with, dtype, kind, from, out, 0);
    if (!done)
        throw predict_error(done);
    return out;
}
} // namespace detail

class predictor
{
public:
    explicit predictor(const model &from, const predictor_options &wanted = {})
        : model_(from.owned_), owned_(nullptr, espalier_predictor_destroy)
    {
        const espalier_predictor_options options = detail::to_native(wanted);
        espalier_predictor *created = nullptr;
        detail::check(espalier_predictor_create(model_.get(), &options, &created), "predictor");
        owned_.reset(created);
        for (const output kind : outputs_all)
            if (const auto found = from.find_output(kind))
                outputs_[static_cast<std::size_t>(kind)] = *found;
    }
    predictor(predictor &&) noexcept = default;
    predictor &operator=(predictor &&other) noexcept
    {
        owned_ = std::move(other.owned_); /* before the model that it uses */
        model_ = std::move(other.model_);
        outputs_ = other.outputs_;
        return *this;
    }
    predictor(const predictor &) = delete;
    predictor &operator=(const predictor &) = delete;
    ~predictor() = default;

    /* Elements per row of an output; 0 when the model has none of the kind. */
    std::size_t width(output kind) const noexcept
    {
        return outputs_[static_cast<std::size_t>(kind)].width;
    }
    /* The espalier_dtype of an output; 0 when the model has none of the kind. */
    std::uint32_t dtype(output kind) const noexcept
    {
        return outputs_[static_cast<std::size_t>(kind)].dtype;
    }
    /*
     * Writes [row_count][width] elements to `out`: a vector, array or span of the output's type;
     * row_stride elements apart, 0: width. `from`: rows, or columns. Never allocates, locks, throws
     * or makes a system call.
     * Status: as espalier_predict and espalier_predict_columns; DTYPE also when the elements of
     * `out` are of another type.
     */
    template <class Rows, class Out>
    result try_predict(output kind, const Rows &from, Out &&out,
                       std::size_t row_stride = 0) noexcept
    {
        return detail::predict(owned_.get(), dtype(kind), kind, from, std::forward<Out>(out),
                               row_stride);
    }
    /* The same, and throws predict_error. */
    template <class Rows, class Out>
    void predict_into(output kind, const Rows &from, Out &&out, std::size_t row_stride = 0)
    {
        const result done = try_predict(kind, from, std::forward<Out>(out), row_stride);
        if (!done)
            throw predict_error(done);
    }
    /* [row_count][width] elements in a new vector; throws predict_error. */
    template <class T, class Rows> std::vector<T> predict(output kind, const Rows &from)
    {
        return detail::predict_new<T>(owned_.get(), dtype(kind), width(kind), kind, from);
    }
    /* What nodes compare for the first row, by node.feature: see espalier_predictor_values. */
    std::vector<double> values(const rows &from)
    {
        std::vector<double> found(espalier_model_value_count(model_.get()));
        detail::check(espalier_predictor_values(owned_.get(), &from.native(), found.data(),
                                                found.size()),
                      "values");
        return found;
    }
    /* The kernel of the first part, a constant string. */
    const char *kernel() const noexcept
    {
        return owned_ == nullptr ? "" : espalier_predictor_kernel(owned_.get());
    }
    espalier_predictor *native() const noexcept
    {
        return owned_.get();
    }

private:
    std::shared_ptr<espalier_model> model_; /* destroyed after owned_ */
    std::unique_ptr<espalier_predictor, void (*)(espalier_predictor *)> owned_;
    std::array<espalier_output_info, 7> outputs_{}; /* by kind; width 0: none */
};

} // namespace espalier

#endif
