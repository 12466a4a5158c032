// SPDX-License-Identifier: Apache-2.0
/*
 * A pickler of just what a saved forest needs. Strings, classes and dtypes are memoised and fetched
 * as Python's pickler does, frames end before each raw array as joblib's do. See joblib_file.h.
 */
#include "joblib_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>

namespace espalier_bench
{

namespace
{

constexpr size_t FRAME_BYTES_MAX = 64 * 1024;
constexpr size_t FRAME_BYTES_MIN = 4; // shorter runs are written without a frame
constexpr size_t ARRAY_ALIGNMENT = 16;
constexpr size_t NODE_BYTES = 64;
constexpr char TRAINER_VERSION[] = "1.4.2";

// The trainer's node with its padding: what NumPy calls V64.
struct file_node {
    int64_t left_child;
    int64_t right_child;
    int64_t feature;
    double threshold;
    double impurity;
    int64_t row_count;
    double weighted_count;
    uint8_t missing_go_to_left;
    uint8_t padding[7];
};
static_assert(sizeof(file_node) == NODE_BYTES, "the trainer's node is 64 bytes");

[[noreturn]] void fail(const std::string &path)
{
    throw std::runtime_error(path + ": " + std::strerror(errno));
}

class pickle_file
{
public:
    explicit pickle_file(const std::string &path)
        : path_(path), file_(std::fopen(path.c_str(), "wb"), &std::fclose)
    {
        if (!file_) {
            fail(path);
        }
        std::setvbuf(file_.get(), nullptr, _IOFBF, 1 << 20);
        write("\x80\x04", 2); // PROTO 4
    }

    void opcode(char code)
    {
        frame_.push_back(code);
        if (frame_.size() >= FRAME_BYTES_MAX) {
            end_frame();
        }
    }

    void number(int64_t value);
    void real(double value);
    void text(const std::string &value);
    void bytes(const void *data, size_t count);
    void global(const std::string &module, const std::string &name);
    uint32_t memoize()
    {
        opcode('\x94');
        return memo_count_++;
    }
    void fetch(uint32_t index);

    // key: value pairs of a dict under construction.
    void item(const char *key, int64_t value)
    {
        text(key);
        number(value);
    }
    void item(const char *key, double value)
    {
        text(key);
        real(value);
    }
    void item(const char *key, const char *value)
    {
        text(key);
        text(value);
    }
    void item_none(const char *key)
    {
        text(key);
        opcode('N');
    }
    void item_bool(const char *key, bool value)
    {
        text(key);
        opcode(value ? '\x88' : '\x89');
    }

    void begin_object(const char *module, const char *name); // NEWOBJ, its dict opened
    void end_object()
    {
        opcode('u');
        opcode('b');
    }

    void dtype(const std::string &code);
    void array(const std::string &code, const std::vector<int64_t> &shape, const void *data,
               size_t data_bytes);
    void finish();

private:
    void write(const void *data, size_t count)
    {
        if (std::fwrite(data, 1, count, file_.get()) != count) {
            fail(path_);
        }
        position_ += count;
    }

    template <typename T> void little(T value)
    {
        const auto *start = reinterpret_cast<const char *>(&value);
        frame_.append(start, sizeof value);
    }

    void end_frame();
    void node_fields();

    std::string path_;
    std::unique_ptr<FILE, int (*)(FILE *)> file_;
    std::string frame_;
    size_t position_ = 0;
    uint32_t memo_count_ = 0;
    std::map<std::string, uint32_t> known_; // memo numbers of strings, globals and dtypes
};

void pickle_file::end_frame()
{
    if (frame_.size() >= FRAME_BYTES_MIN) {
        const uint64_t length = frame_.size();
        write("\x95", 1);
        write(&length, sizeof length);
    }
    write(frame_.data(), frame_.size());
    frame_.clear();
}

void pickle_file::number(int64_t value)
{
    if (value >= 0 && value <= UINT8_MAX) {
        opcode('K');
        little(static_cast<uint8_t>(value));
    } else if (value >= 0 && value <= UINT16_MAX) {
        opcode('M');
        little(static_cast<uint16_t>(value));
    } else {
        opcode('J');
        little(static_cast<int32_t>(value));
    }
}

void pickle_file::real(double value)
{
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    opcode('G');
    little(__builtin_bswap64(bits)); // the one big-endian number of a pickle
}

void pickle_file::fetch(uint32_t index)
{
    if (index <= UINT8_MAX) {
        opcode('h');
        little(static_cast<uint8_t>(index));
    } else {
        opcode('j');
        little(index);
    }
}

void pickle_file::text(const std::string &value)
{
    const auto found = known_.find("text " + value);
    if (found != known_.end()) {
        fetch(found->second);
        return;
    }
    opcode('\x8c');
    little(static_cast<uint8_t>(value.size()));
    frame_ += value;
    known_["text " + value] = memoize();
}

void pickle_file::bytes(const void *data, size_t count)
{
    opcode('C');
    little(static_cast<uint8_t>(count));
    frame_.append(static_cast<const char *>(data), count);
    memoize();
}

void pickle_file::global(const std::string &module, const std::string &name)
{
    const std::string key = "global " + module + " " + name;
    const auto found = known_.find(key);
    if (found != known_.end()) {
        fetch(found->second);
        return;
    }
    text(module);
    text(name);
    opcode('\x93');
    known_[key] = memoize();
}

void pickle_file::begin_object(const char *module, const char *name)
{
    global(module, name);
    opcode(')');
    opcode('\x81');
    memoize();
    opcode('}');
    memoize();
    opcode('(');
}

// The names and the places of a node's fields.
void pickle_file::node_fields()
{
    static const struct {
        const char *name;
        const char *code;
        int offset;
    } fields[] = {{"left_child", "i8", 0},
                  {"right_child", "i8", 8},
                  {"feature", "i8", 16},
                  {"threshold", "f8", 24},
                  {"impurity", "f8", 32},
                  {"n_node_samples", "i8", 40},
                  {"weighted_n_node_samples", "f8", 48},
                  {"missing_go_to_left", "u1", 56}};
    opcode('(');
    for (const auto &field : fields) {
        text(field.name);
    }
    opcode('t');
    memoize();
    opcode('}');
    memoize();
    opcode('(');
    for (const auto &field : fields) {
        text(field.name);
        dtype(field.code);
        number(field.offset);
        opcode('\x86');
        memoize();
    }
    opcode('u');
}

// numpy.dtype(code, False, True) with its state; one object per code.
void pickle_file::dtype(const std::string &code)
{
    const std::string key = "dtype " + code;
    const auto found = known_.find(key);
    if (found != known_.end()) {
        fetch(found->second);
        return;
    }
    const bool is_node = code[0] == 'V';
    global("numpy", "dtype");
    text(code);
    opcode('\x89');
    opcode('\x88');
    opcode('\x87');
    memoize();
    opcode('R');
    known_[key] = memoize();
    opcode('(');
    number(3);
    text(is_node || code == "u1" ? "|" : "<");
    opcode('N');
    if (is_node) {
        node_fields();
        number(static_cast<int64_t>(NODE_BYTES));
        number(1);
        number(16);
    } else {
        opcode('N');
        opcode('N');
        number(-1);
        number(-1);
        number(0);
    }
    opcode('t');
    memoize();
    opcode('b');
}

// joblib's wrapper, then padding, then the bytes themselves.
void pickle_file::array(const std::string &code, const std::vector<int64_t> &shape,
                        const void *data, size_t data_bytes)
{
    begin_object("joblib.numpy_pickle", "NumpyArrayWrapper");
    text("subclass");
    global("numpy", "ndarray");
    text("shape");
    if (shape.size() > 3) {
        throw std::runtime_error("arrays have at most three dimensions here");
    }
    for (const int64_t length : shape) {
        number(length);
    }
    opcode(static_cast<char>('\x85' + static_cast<char>(shape.size()) - 1)); // TUPLE1 .. TUPLE3
    memoize();
    item("order", "C");
    text("dtype");
    dtype(code);
    item_bool("allow_mmap", true);
    item("numpy_array_alignment_bytes", static_cast<int64_t>(ARRAY_ALIGNMENT));
    end_object();
    end_frame();

    // One byte says how many more stand before the data, which start at a multiple of 16.
    const size_t padding_bytes = ARRAY_ALIGNMENT - (position_ + 1) % ARRAY_ALIGNMENT;
    char padding[ARRAY_ALIGNMENT + 1];
    std::memset(padding, 0xFF, sizeof padding);
    padding[0] = static_cast<char>(padding_bytes);
    write(padding, padding_bytes + 1);
    write(data, data_bytes);
}

void pickle_file::finish()
{
    opcode('.');
    end_frame();
    if (std::fflush(file_.get()) != 0) {
        fail(path_);
    }
}

// What a tree estimator and the forest both say about how trees are grown.
void write_growth(pickle_file &file, const training_options &options, bool is_template)
{
    file.item("criterion", "gini");
    if (is_template || options.depth_max == 0) {
        file.item_none("max_depth");
    } else {
        file.item("max_depth", static_cast<int64_t>(options.depth_max));
    }
    file.item("min_samples_split", static_cast<int64_t>(2));
    file.item("min_samples_leaf", static_cast<int64_t>(1));
    file.item("min_weight_fraction_leaf", 0.0);
    if (is_template) {
        file.item_none("max_features");
    } else {
        file.item("max_features", "sqrt");
    }
    file.item_none("max_leaf_nodes");
    file.item("min_impurity_decrease", 0.0);
    file.item_none("class_weight");
    file.item("ccp_alpha", 0.0);
    file.item_none("monotonic_cst");
}

void write_tree(pickle_file &file, const trained_forest &forest, const trained_tree &tree)
{
    const int64_t class_count = forest.options.class_count;
    const int64_t node_count = static_cast<int64_t>(tree.nodes.size());
    file.global("sklearn.tree._tree", "Tree");
    file.number(forest.options.feature_count);
    file.array("i8", {1}, &class_count, sizeof class_count);
    file.number(1);
    file.opcode('\x87');
    file.memoize();
    file.opcode('R');
    file.memoize();
    file.opcode('}');
    file.memoize();
    file.opcode('(');
    file.item("max_depth", static_cast<int64_t>(tree.depth));
    file.item("node_count", node_count);
    std::vector<file_node> nodes;
    nodes.reserve(tree.nodes.size());
    for (const trained_node &node : tree.nodes) {
        file_node out;
        std::memset(&out, 0, sizeof out);
        out.left_child = node.left;
        out.right_child = node.right;
        out.feature = node.feature;
        out.threshold = node.threshold;
        out.impurity = node.impurity;
        out.row_count = node.row_count;
        out.weighted_count = node.weighted_count;
        // As the trainer without missing values: they would go with the larger child.
        out.missing_go_to_left =
            node.left >= 0 && tree.nodes[static_cast<size_t>(node.left)].row_count >
                                  tree.nodes[static_cast<size_t>(node.right)].row_count;
        nodes.push_back(out);
    }
    file.text("nodes");
    file.array("V64", {node_count}, nodes.data(), nodes.size() * sizeof(file_node));
    file.text("values");
    file.array("f8", {node_count, 1, class_count}, tree.values.data(),
               tree.values.size() * sizeof(double));
    file.end_object();
}

void write_tree_estimator(pickle_file &file, const trained_forest &forest, size_t tree_index)
{
    const int64_t class_count = forest.options.class_count;
    file.begin_object("sklearn.tree._classes", "DecisionTreeClassifier");
    write_growth(file, forest.options, false);
    file.item("splitter", "best");
    file.item("random_state", static_cast<int64_t>(tree_index));
    file.item("n_features_in_", static_cast<int64_t>(forest.options.feature_count));
    file.item("n_outputs_", static_cast<int64_t>(1));
    file.text("classes_");
    std::vector<double> classes;
    for (int64_t k = 0; k < class_count; k++) {
        classes.push_back(static_cast<double>(k));
    }
    file.array("f8", {class_count}, classes.data(), classes.size() * sizeof(double));
    file.text("n_classes_");
    file.global("numpy.core.multiarray", "scalar");
    file.dtype("i8");
    file.bytes(&class_count, sizeof class_count);
    file.opcode('\x86');
    file.memoize();
    file.opcode('R');
    file.memoize();
    file.item("max_features_", static_cast<int64_t>(7));
    file.text("tree_");
    write_tree(file, forest, forest.trees[tree_index]);
    file.item("_sklearn_version", TRAINER_VERSION);
    file.end_object();
}

// The unfitted tree estimator that a forest keeps under two names.
void write_template(pickle_file &file, const trained_forest &forest)
{
    file.begin_object("sklearn.tree._classes", "DecisionTreeClassifier");
    write_growth(file, forest.options, true);
    file.item("splitter", "best");
    file.item_none("random_state");
    file.item("_sklearn_version", TRAINER_VERSION);
    file.end_object();
}

} // namespace

void write_joblib(const trained_forest &forest, const std::string &path)
{
    const training_options &options = forest.options;
    pickle_file file(path);
    file.begin_object("sklearn.ensemble._forest", "RandomForestClassifier");
    file.text("estimator");
    write_template(file, forest);
    file.item("n_estimators", static_cast<int64_t>(options.tree_count));
    file.text("estimator_params");
    file.opcode(')');
    file.item_bool("bootstrap", true);
    file.item_bool("oob_score", false);
    file.item_none("n_jobs");
    file.item("random_state", static_cast<int64_t>(options.seed));
    file.item("verbose", static_cast<int64_t>(0));
    file.item_bool("warm_start", false);
    file.item_none("max_samples");
    write_growth(file, options, false);
    file.item("n_features_in_", static_cast<int64_t>(options.feature_count));
    file.item("_n_samples", static_cast<int64_t>(options.row_count));
    file.item("n_outputs_", static_cast<int64_t>(1));
    file.text("classes_");
    std::vector<int64_t> classes;
    for (uint32_t k = 0; k < options.class_count; k++) {
        classes.push_back(k);
    }
    file.array("i8", {static_cast<int64_t>(classes.size())}, classes.data(),
               classes.size() * sizeof(int64_t));
    file.item("n_classes_", static_cast<int64_t>(options.class_count));
    file.item("_n_samples_bootstrap", static_cast<int64_t>(options.row_count));
    file.text("estimator_");
    write_template(file, forest);
    file.text("estimators_");
    file.opcode(']');
    file.memoize();
    file.opcode('(');
    for (size_t i = 0; i < forest.trees.size(); i++) {
        write_tree_estimator(file, forest, i);
    }
    file.opcode('e');
    file.item("_sklearn_version", TRAINER_VERSION);
    file.end_object();
    file.finish();
}

} // namespace espalier_bench
