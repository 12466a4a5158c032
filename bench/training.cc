// SPDX-License-Identifier: Apache-2.0
/*
 * Clusters of rows, and randomised trees grown on them. See training.h.
 */
#include "training.h"

#include "seeded_random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>

namespace espalier_bench
{

namespace
{

constexpr uint64_t STREAM_CLUSTERS = 1u << 20;
constexpr uint32_t CLUSTERS_PER_CLASS = 8;
constexpr double CLUSTER_DISTANCE = 3.0;
constexpr double FLIPPED_SHARE = 0.05; // rows with a class drawn at random: real data have them
constexpr uint32_t DRAWS_MAX = 23;     // rows that a random bound is drawn from; see draw_bound
constexpr uint32_t CLASS_COUNT_MAX = 64;

// A centre, and a mixing matrix that makes the informative features depend on each other.
struct cluster {
    std::vector<double> centre;
    std::vector<double> mixing; // [informative][informative]
};

std::vector<cluster> make_clusters(const training_options &options)
{
    const uint32_t informative = options.informative_count;
    seeded_random random(options.seed, STREAM_CLUSTERS);
    std::vector<cluster> clusters(options.class_count * CLUSTERS_PER_CLASS);
    for (cluster &each : clusters) {
        each.centre.resize(informative);
        each.mixing.resize(static_cast<size_t>(informative) * informative);
        for (double &value : each.centre) {
            value = (random.next() >> 63) != 0 ? CLUSTER_DISTANCE : -CLUSTER_DISTANCE;
        }
        for (double &value : each.mixing) {
            value = 2.0 * random.uniform() - 1.0;
        }
    }
    return clusters;
}

// The state of one tree while it grows.
class tree_grower
{
public:
    tree_grower(const training_options &options, const synthetic_rows &rows, uint32_t tree_index)
        : options_(options), rows_(rows), random_(options.seed, tree_index + 2)
    {
    }

    trained_tree grow();

private:
    // A run of row numbers whose node is still to be made.
    struct pending {
        uint32_t begin;
        uint32_t end;
        uint32_t depth;
        int64_t parent; // -1: the root
        bool is_left;
    };

    struct split {
        uint32_t feature = 0;
        float low_bound = 0; // rows with a value <= low_bound go left
        double score = -1.0;
    };

    struct drawn_row {
        uint8_t class_index;
        uint8_t weight;
    };

    void draw_rows();
    double count_classes(uint32_t begin, uint32_t end, double *counts);
    bool draw_bound(const pending &run, const float *column, float *bound_out);
    bool find_split(const pending &run, const double *counts, split *best_out);
    double score_split(const pending &run, const double *counts, uint32_t feature, float bound);
    uint32_t partition(const pending &run, const split &chosen, double *threshold_out);
    void add_node(const pending &run, const double *counts, double total);

    const training_options &options_;
    const synthetic_rows &rows_;
    seeded_random random_;
    std::vector<uint32_t> order_;  // row numbers, a node's rows next to each other
    std::vector<uint8_t> weights_; // by row number: how often the row was drawn
    std::vector<drawn_row> drawn_; // by place in order_, of the node at work
    std::vector<uint32_t> spare_;  // rows that go right, while a node is split
    trained_tree tree_;
};

// Draws as many rows as there are, with repetition.
void tree_grower::draw_rows()
{
    weights_.assign(rows_.row_count, 0);
    for (uint32_t i = 0; i < rows_.row_count; i++) {
        uint8_t &weight = weights_[random_.below(rows_.row_count)];
        weight = static_cast<uint8_t>(weight + (weight < UINT8_MAX ? 1 : 0));
    }
    for (uint32_t row = 0; row < rows_.row_count; row++) {
        if (weights_[row] != 0) {
            order_.push_back(row);
        }
    }
    drawn_.resize(order_.size());
}

// Also copies what the rows of the node are, in their order, for all the candidates to come.
double tree_grower::count_classes(uint32_t begin, uint32_t end, double *counts)
{
    std::fill(counts, counts + options_.class_count, 0.0);
    double total = 0.0;
    for (uint32_t i = begin; i < end; i++) {
        drawn_[i] = {rows_.classes[order_[i]], weights_[order_[i]]};
        counts[drawn_[i].class_index] += drawn_[i].weight;
        total += drawn_[i].weight;
    }
    return total;
}

// The higher the purer both sides; negative when one side is empty.
double tree_grower::score_split(const pending &run, const double *counts, uint32_t feature,
                                float bound)
{
    const float *column = rows_.column(feature);
    uint32_t left_counts[CLASS_COUNT_MAX] = {0};
    uint32_t left_rows = 0;
    for (uint32_t i = run.begin; i < run.end; i++) {
        // No branch: half of them would be mispredicted.
        const uint32_t is_left = column[order_[i]] <= bound;
        left_counts[drawn_[i].class_index] += is_left * drawn_[i].weight;
        left_rows += is_left;
    }
    if (left_rows == 0 || left_rows == run.end - run.begin) {
        return -1.0;
    }
    double left_total = 0.0;
    double right_total = 0.0;
    double left_squares = 0.0;
    double right_squares = 0.0;
    for (uint32_t k = 0; k < options_.class_count; k++) {
        const double left = left_counts[k];
        const double right = counts[k] - left;
        left_total += left;
        right_total += right;
        left_squares += left * left;
        right_squares += right * right;
    }
    return left_squares / left_total + right_squares / right_total;
}

/*
 * A random bound between two of the node's own values, so that it separates them: near the middle
 * of the column when few rows are drawn, near one of its ends when many are. The ends matter: real
 * splitters like to cut off a small pure end, which is what makes real trees deep (mean leaf depth
 * 16 at 3,500 leaves, against 13 with bounds from two rows).
 */
bool tree_grower::draw_bound(const pending &run, const float *column, float *bound_out)
{
    const uint32_t count = run.end - run.begin;
    const uint32_t draws = 2 + random_.below(DRAWS_MAX - 1);
    const float sign = (random_.next() >> 63) != 0 ? 1.0f : -1.0f;
    float least = sign * column[order_[run.begin + random_.below(count)]];
    float second = least;
    for (uint32_t i = 1; i < draws; i++) {
        const float value = sign * column[order_[run.begin + random_.below(count)]];
        if (value < least) {
            second = least;
            least = value;
        } else if (value > least && (value < second || second == least)) {
            second = value;
        }
    }
    if (least == second) {
        return false;
    }
    const float low = std::min(sign * least, sign * second);
    const float high = std::max(sign * least, sign * second);
    const float between = low + static_cast<float>(random_.uniform()) * (high - low);
    *bound_out = between < high ? between : low;
    return true;
}

// The best of candidate_count random splits; more are tried only while none separates the rows.
bool tree_grower::find_split(const pending &run, const double *counts, split *best_out)
{
    const uint32_t tries_max = options_.candidate_count + 4 * options_.feature_count;
    split best;
    for (uint32_t tried = 0; tried < tries_max; tried++) {
        if (tried >= options_.candidate_count && best.score >= 0.0) {
            break;
        }
        split candidate;
        candidate.feature = random_.below(options_.feature_count);
        if (!draw_bound(run, rows_.column(candidate.feature), &candidate.low_bound)) {
            continue;
        }
        candidate.score = score_split(run, counts, candidate.feature, candidate.low_bound);
        if (candidate.score > best.score) {
            best = candidate;
        }
    }
    *best_out = best;
    return best.score >= 0.0;
}

/*
 * Brings the rows that go left to the front. The threshold is the middle between the two sides in
 * double, as the trainer's best splitter has it: most are no float32, which is what makes rounding
 * thresholds worth testing.
 */
uint32_t tree_grower::partition(const pending &run, const split &chosen, double *threshold_out)
{
    const float *column = rows_.column(chosen.feature);
    float below = -HUGE_VALF;
    float above = HUGE_VALF;
    uint32_t middle = run.begin;
    spare_.clear();
    // Stable, so that later passes walk each column in ascending order: half the time.
    for (uint32_t i = run.begin; i < run.end; i++) {
        const float value = column[order_[i]];
        if (value <= chosen.low_bound) {
            below = std::max(below, value);
            order_[middle++] = order_[i];
        } else {
            above = std::min(above, value);
            spare_.push_back(order_[i]);
        }
    }
    std::copy(spare_.begin(), spare_.end(), order_.begin() + middle);
    *threshold_out = static_cast<double>(below) / 2.0 + static_cast<double>(above) / 2.0;
    return middle; // in double the middle of two floats is always below the upper one
}

void tree_grower::add_node(const pending &run, const double *counts, double total)
{
    trained_node node;
    std::memset(&node, 0, sizeof node);
    node.left = -1;
    node.right = -1;
    node.feature = -2;
    node.threshold = -2.0;
    node.row_count = run.end - run.begin;
    node.weighted_count = total;
    node.impurity = 1.0;
    for (uint32_t k = 0; k < options_.class_count; k++) {
        const double share = counts[k] / total;
        node.impurity -= share * share;
        tree_.values.push_back(share);
    }
    if (run.parent >= 0) {
        trained_node &parent = tree_.nodes[static_cast<size_t>(run.parent)];
        const int64_t index = static_cast<int64_t>(tree_.nodes.size());
        (run.is_left ? parent.left : parent.right) = index;
    }
    tree_.nodes.push_back(node);
    tree_.depth = std::max(tree_.depth, run.depth);
}

trained_tree tree_grower::grow()
{
    draw_rows();
    std::vector<pending> runs;
    runs.push_back({0, static_cast<uint32_t>(order_.size()), 0, -1, false});
    // Ends: every run is split into two shorter ones or becomes a leaf.
    while (!runs.empty()) {
        const pending run = runs.back();
        runs.pop_back();
        double counts[CLASS_COUNT_MAX];
        const double total = count_classes(run.begin, run.end, counts);
        const int64_t index = static_cast<int64_t>(tree_.nodes.size());
        add_node(run, counts, total);

        const bool is_pure = *std::max_element(counts, counts + options_.class_count) == total;
        const bool is_deepest = options_.depth_max != 0 && run.depth >= options_.depth_max;
        split chosen;
        if (is_pure || is_deepest || run.end - run.begin < 2 || !find_split(run, counts, &chosen)) {
            continue;
        }
        trained_node &node = tree_.nodes[static_cast<size_t>(index)];
        const uint32_t middle = partition(run, chosen, &node.threshold);
        node.feature = chosen.feature;
        runs.push_back({middle, run.end, run.depth + 1, index, false});
        runs.push_back({run.begin, middle, run.depth + 1, index, true}); // next: preorder
    }
    return std::move(tree_);
}

} // namespace

synthetic_rows make_rows(const training_options &options, uint32_t row_count, uint64_t stream)
{
    const std::vector<cluster> clusters = make_clusters(options);
    const uint32_t informative = options.informative_count;
    seeded_random random(options.seed, STREAM_CLUSTERS + 1 + stream);

    synthetic_rows rows;
    rows.row_count = row_count;
    rows.feature_count = options.feature_count;
    rows.columns.resize(static_cast<size_t>(row_count) * options.feature_count);
    rows.classes.resize(row_count);
    std::vector<double> noise(informative);
    for (uint32_t row = 0; row < row_count; row++) {
        const uint32_t number = random.below(static_cast<uint32_t>(clusters.size()));
        const cluster &home = clusters[number];
        for (double &value : noise) {
            value = random.normal();
        }
        for (uint32_t feature = 0; feature < options.feature_count; feature++) {
            double value = 0.0;
            if (feature < informative) {
                value = home.centre[feature];
                for (uint32_t i = 0; i < informative; i++) {
                    value += noise[i] * home.mixing[static_cast<size_t>(feature) * informative + i];
                }
            } else {
                value = random.normal();
            }
            rows.columns[static_cast<size_t>(feature) * row_count + row] =
                static_cast<float>(value);
        }
        const bool is_flipped = random.uniform() < FLIPPED_SHARE;
        rows.classes[row] = static_cast<uint8_t>(is_flipped ? random.below(options.class_count)
                                                            : number % options.class_count);
    }
    return rows;
}

float_rows make_unseen_rows(const training_options &options)
{
    const synthetic_rows unseen = make_rows(options, options.unseen_count, 1);
    float_rows rows;
    rows.row_count = unseen.row_count;
    rows.feature_count = unseen.feature_count;
    rows.values.resize(unseen.columns.size());
    for (uint32_t feature = 0; feature < unseen.feature_count; feature++) {
        const float *column = unseen.column(feature);
        for (uint32_t row = 0; row < unseen.row_count; row++) {
            rows.values[static_cast<size_t>(row) * unseen.feature_count + feature] = column[row];
        }
    }
    return rows;
}

trained_forest train_forest(const training_options &options, const synthetic_rows &rows)
{
    trained_forest forest;
    forest.options = options;
    forest.trees.resize(options.tree_count);
    const uint32_t thread_count = std::max(1u, options.thread_count);
    std::vector<std::thread> threads;
    for (uint32_t thread = 0; thread < thread_count; thread++) {
        threads.emplace_back([&, thread] {
            for (uint32_t i = thread; i < options.tree_count; i += thread_count) {
                forest.trees[i] = tree_grower(options, rows, i).grow();
            }
        });
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
    return forest;
}

uint64_t trained_forest::node_count() const
{
    uint64_t count = 0;
    for (const trained_tree &tree : trees) {
        count += tree.nodes.size();
    }
    return count;
}

double trained_forest::visits_per_row() const
{
    double visits = 0.0;
    for (const trained_tree &tree : trees) {
        double passed = 0.0; // rows at inner nodes: each of them is one visit
        for (const trained_node &node : tree.nodes) {
            passed += node.left >= 0 ? node.weighted_count : 0.0;
        }
        visits += passed / tree.nodes[0].weighted_count;
    }
    return visits;
}

} // namespace espalier_bench
