// SPDX-License-Identifier: Apache-2.0
/*
 * The C++ header at work for run_bindings.py, which describes the jobs: reads argv[1], does every
 * job through espalier.hpp alone, says how it went on standard output. Includes the installed
 * header and the C++ library.
 */
#include <espalier.hpp>
#include <espalier_slot.hpp>

#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

namespace
{

struct job {
    std::string model, rows, dtype, order, kind, iterations, out;
    std::size_t row_count = 0, feature_count = 0;
};

std::string read_bytes(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

void write_bytes(const std::string &path, const void *data, std::size_t bytes)
{
    std::ofstream file(path, std::ios::binary);
    file.write(static_cast<const char *>(data), static_cast<std::streamsize>(bytes));
}

template <class T> std::vector<T> read_values(const job &one)
{
    const std::string bytes = read_bytes(one.rows);
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!values.empty())
        std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return values;
}

espalier::output to_kind(const std::string &name)
{
    static const std::map<std::string, espalier::output> kinds = {
        {"margin", espalier::output::margin},     {"probability", espalier::output::probability},
        {"class", espalier::output::class_index}, {"value", espalier::output::value},
        {"leaf", espalier::output::leaf},         {"score", espalier::output::score}};
    return kinds.at(name);
}

struct label_text {
    std::string operator()(std::int64_t value) const
    {
        return "i " + std::to_string(value);
    }
    std::string operator()(std::uint64_t value) const
    {
        return "u " + std::to_string(value);
    }
    std::string operator()(double value) const
    {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        return "f " + std::to_string(bits);
    }
    std::string operator()(bool value) const
    {
        return value ? "b 1" : "b 0";
    }
    std::string operator()(const std::string &value) const
    {
        return "s " + value;
    }
};

template <class Out>
void save(const espalier::model &model, const job &one, const std::vector<Out> &out,
          std::size_t width, std::size_t row_count)
{
    if constexpr (std::is_same_v<Out, std::int32_t>) {
        std::vector<std::vector<espalier::label>> labels;
        for (std::uint32_t i = 0; i < width; i++)
            labels.push_back(model.labels(i));
        std::string text;
        for (std::size_t i = 0; i < row_count * width; i++)
            text += std::visit(label_text(), labels[i % width].at(std::size_t(out[i]))) + "\n";
        write_bytes(one.out, text.data(), text.size());
    } else {
        write_bytes(one.out, out.data(), row_count * width * sizeof(Out));
    }
}

/* Every feature a column of its own, which lie one behind the other; where features have names,
 * columns in another order, bound by their names. */
template <class In>
espalier::columns to_columns(const espalier::model &of, const job &one,
                             const std::vector<In> &values)
{
    std::uint32_t dtype = 0;
    if (one.order == "N")
        dtype = std::is_same_v<In, float> ? ESPALIER_DTYPE_FLOAT64 : ESPALIER_DTYPE_FLOAT32;
    std::vector<espalier::column> all;
    std::vector<std::string_view> names;
    for (std::size_t f = one.feature_count; f-- > 0;) {
        all.push_back(espalier::column::of(
            espalier::span<const In>(values.data() + f * one.row_count, one.row_count)));
        names.push_back(of.feature_name(static_cast<std::uint32_t>(f)));
    }
    if (!names.empty() && !names.back().empty() && all.size() == of.info().feature_count)
        return espalier::columns::by_name(of, names, all, dtype);
    return espalier::columns(std::vector(all.rbegin(), all.rend()), dtype);
}

template <class Out, class In>
espalier::result predict_columns(espalier::predictor &predictor, const job &one,
                                 const std::vector<In> &values, std::vector<Out> &out)
{
    return predictor.try_predict(to_kind(one.kind),
                                 to_columns(espalier::model(one.model), one, values), out);
}

/* Predicts row after row, each by a call of its own, or all rows at once. */
template <class Out, class In>
espalier::result predict_values(espalier::predictor &predictor, const job &one,
                                const std::vector<In> &values, std::vector<Out> &out)
{
    const espalier::output kind = to_kind(one.kind);
    if (one.order == "F")
        return predictor.try_predict(kind, espalier::rows::column_major(values, one.row_count),
                                     out);
    if (one.order == "C")
        return predictor.try_predict(kind, espalier::rows::row_major(values, one.feature_count),
                                     out);
    if (one.order == "T" || one.order == "N")
        return predict_columns(predictor, one, values, out);
    if (one.order == "S") {
        espalier::slot served(one.model);
        espalier::reader reader(served);
        return reader.acquire().try_predict(kind,
                                            espalier::rows::row_major(values, one.feature_count),
                                            out);
    }
    espalier::result done;
    const std::size_t width = predictor.width(kind);
    for (std::size_t i = 0; i < one.row_count; i++) {
        const espalier::span<const In> row(values.data() + i * one.feature_count,
                                           one.feature_count);
        done = predictor.try_predict(kind, espalier::rows::one(row),
                                     espalier::span<Out>(out.data() + i * width, width));
        done.rows_written += i;
        done.refused_row += i;
        if (!done)
            return done;
    }
    return done;
}

/* The fields of a file of text, by feature. */
std::vector<std::vector<std::string>> read_fields(const job &one)
{
    std::vector<std::vector<std::string>> fields(one.feature_count);
    std::istringstream file(read_bytes(one.rows));
    for (std::string line; std::getline(file, line);) {
        std::istringstream cells(line + ",");
        for (std::vector<std::string> &feature : fields) {
            std::string cell;
            std::getline(cells, cell, ',');
            feature.push_back(cell);
        }
    }
    return fields;
}

/* Features with categories as strings, the others as numbers; an empty field is missing. */
template <class Out>
espalier::result predict_texts(const espalier::model &model, espalier::predictor &predictor,
                               const job &one, std::vector<Out> &out)
{
    const auto fields = read_fields(one);
    std::vector<espalier::texts> texts(one.feature_count);
    std::vector<std::vector<double>> numbers(one.feature_count);
    std::vector<std::vector<std::uint8_t>> bits(one.feature_count);
    std::vector<espalier::column> all;
    for (std::uint32_t f = 0; f < one.feature_count; f++) {
        bits[f].resize((one.row_count + 7) / 8);
        for (std::size_t r = 0; r < one.row_count; r++)
            if (!fields[f][r].empty())
                bits[f][r / 8] |= std::uint8_t(1u << r % 8);
        if (model.category_count(f) > 0) {
            texts[f] = espalier::texts(fields[f]);
            all.push_back(espalier::column::of(texts[f]).valid_where(bits[f]));
            continue;
        }
        for (const std::string &cell : fields[f])
            numbers[f].push_back(cell.empty() ? 0.0 : std::stod(cell));
        all.push_back(espalier::column::of(numbers[f]).valid_where(bits[f]));
    }
    return predictor.try_predict(to_kind(one.kind), espalier::columns(all), out);
}

/* The position at which a tree answers for what nodes compare. */
std::uint32_t find_leaf(const espalier::model &model, std::uint32_t tree,
                        const std::vector<double> &values)
{
    std::uint32_t at = 0;
    for (std::uint32_t level = model.tree(tree).depth; level > 0; level--) {
        const espalier_node node = model.node(tree, at);
        if (node.feature == ESPALIER_FEATURE_NONE)
            break;
        at = model.goes_left(node, values.at(node.feature)) ? node.left : node.right;
    }
    return at;
}

/* The leaves that rows come to, by looking into the model alone. */
template <class In> void walk(const espalier::model &model, const job &one)
{
    espalier::predictor predictor(model);
    const std::uint32_t tree_count = model.info().tree_count;
    const std::vector<In> rows = read_values<In>(one);
    std::vector<std::vector<std::uint32_t>> numbers;
    for (std::uint32_t t = 0; t < tree_count; t++)
        numbers.push_back(model.leaf_numbers(t));
    std::vector<std::int64_t> out;
    for (std::size_t r = 0; r < one.row_count; r++) {
        const espalier::span<const In> row(rows.data() + r * one.feature_count, one.feature_count);
        const std::vector<double> values = predictor.values(espalier::rows::one(row));
        for (std::uint32_t t = 0; t < tree_count; t++)
            out.push_back(numbers[t].at(find_leaf(model, t, values)));
    }
    write_bytes(one.out, out.data(), out.size() * sizeof(std::int64_t));
    std::cout << "ok\t" << int(ESPALIER_DTYPE_INT64) << '\t' << tree_count << '\n';
}

template <class Out>
void predict_as(const espalier::model &model, espalier::predictor &predictor, const job &one)
{
    const std::size_t width = predictor.width(to_kind(one.kind));
    std::vector<Out> out(one.row_count * width);
    const espalier::result done =
        one.dtype == "text" ? predict_texts(model, predictor, one, out)
        : one.dtype == "i8" ? predict_columns(predictor, one, read_values<std::int64_t>(one), out)
        : one.dtype == "f4" ? predict_values(predictor, one, read_values<float>(one), out)
                            : predict_values(predictor, one, read_values<double>(one), out);
    save(model, one, out, width, done.rows_written);
    if (!done)
        throw espalier::predict_error(done);
    std::cout << "ok\t" << predictor.dtype(to_kind(one.kind)) << '\t' << width << '\n';
}

void predict(const espalier::model &model, const job &one)
{
    espalier::predictor_options options;
    options.flags = one.kind == "leaf" ? ESPALIER_PREDICTOR_LEAF : 0;
    if (one.iterations != "-") {
        const std::size_t colon = one.iterations.find(':');
        options.iteration_first = std::uint32_t(std::stoul(one.iterations.substr(0, colon)));
        options.iteration_count =
            std::uint32_t(std::stoul(one.iterations.substr(colon + 1))) - options.iteration_first;
    }
    espalier::predictor predictor(model, options);
    switch (predictor.dtype(to_kind(one.kind))) {
    case ESPALIER_DTYPE_FLOAT32:
        return predict_as<float>(model, predictor, one);
    case ESPALIER_DTYPE_INT32:
        return predict_as<std::int32_t>(model, predictor, one);
    case ESPALIER_DTYPE_INT64:
        return predict_as<std::int64_t>(model, predictor, one);
    default:
        return predict_as<double>(model, predictor, one);
    }
}

void describe(const espalier::model &model, const job &one)
{
    const espalier_model_info info = model.info();
    const std::string_view metadata = model.metadata();
    write_bytes(one.out, metadata.data(), metadata.size());
    std::cout << "info\t" << info.feature_count << '\t' << info.tree_count << '\t'
              << info.default_output << '\t';
    static const char digits[] = "0123456789abcdef";
    for (const std::uint8_t byte : info.root_digest)
        std::cout << digits[byte >> 4] << digits[byte & 15];
    for (std::uint32_t i = 0; i < info.feature_count; i++)
        std::cout << '\t' << model.feature_name(i);
    std::cout << '\n';
}

void show_covers(const espalier::model &model, const job &one)
{
    std::string text;
    const auto [unit, covers] = model.covers();
    for (std::size_t value = 0; value < covers.size(); value++) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &covers[value], sizeof bits);
        if (covers[value] != 0)
            text += std::to_string(value) + " " + std::to_string(bits) + "\n";
    }
    write_bytes(one.out, text.data(), text.size());
    std::cout << "cover\t" << unit << '\n';
}

void run(const job &one)
{
    espalier::model model(one.model);
    if (one.kind == "info")
        return describe(model, one);
    if (one.kind == "verify") {
        model.verify();
        std::cout << "verified\n";
        return;
    }
    if (one.kind == "cover")
        return show_covers(model, one);
    if (one.order == "W")
        return one.dtype == "f4" ? walk<float>(model, one) : walk<double>(model, one);
    predict(model, one);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    std::ifstream jobs(argv[1]);
    for (std::string line; std::getline(jobs, line);) {
        std::istringstream fields(line);
        job one;
        fields >> one.model >> one.rows >> one.dtype >> one.row_count >> one.feature_count >>
            one.order >> one.kind >> one.iterations >> one.out;
        try {
            run(one);
        } catch (const espalier::predict_error &error) {
            const espalier::result &done = error.result();
            std::cout << "refused\t" << error.status_name() << '\t' << done.rows_written << '\t'
                      << done.refused_row << '\t' << done.refused_feature << '\n';
        } catch (const espalier::error &error) {
            std::cout << "failed\t" << error.status_name() << '\t' << error.system_errno() << '\t'
                      << error.file_offset().value_or(ESPALIER_OFFSET_NONE) << '\t'
                      << error.format_rule() << '\t' << error.what() << '\n';
        }
    }
    return 0;
}
