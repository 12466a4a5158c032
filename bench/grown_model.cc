// SPDX-License-Identifier: Apache-2.0
/*
 * A writer of format version 1 for one purpose; see grown_model.h. Numbers in the comments are the
 * rules and chapters of docs/format.md.
 */
#include "grown_model.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <sodium.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <vector>

namespace espalier_bench
{

namespace
{

constexpr size_t HEADER_BYTES = 128;       // 3.1
constexpr size_t SECTION_ENTRY_BYTES = 96; // 3.2
constexpr size_t TREE_BYTES = 40;          // 13
constexpr size_t NODE_BYTES = 8;           // 15.1
constexpr size_t PART_CHILD_BITS = 8;      // 9: offset of child_bits
constexpr uint32_t TYPE_MODEL = 1;
constexpr uint32_t TYPE_PARTS = 3;
constexpr uint32_t TYPE_TREES = 7;
constexpr uint32_t TYPE_NODES = 16;
constexpr uint32_t TYPE_LEAVES = 17;
constexpr uint32_t TYPE_NUMBERS = 24;
constexpr uint32_t TYPE_GOLDEN = 25;
constexpr uint32_t TYPE_PROOF = 27;
constexpr uint32_t LEAF_ROW_ZERO = 0x00800000;
constexpr uint64_t HOT_TAIL_BYTES = 64; // F-040

template <typename T> T get(const std::string &bytes, size_t offset)
{
    T value;
    if (offset + sizeof value > bytes.size()) {
        throw std::runtime_error("a model file that is too short to grow");
    }
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

template <typename T> void put(std::string &bytes, size_t offset, T value)
{
    std::memcpy(&bytes[offset], &value, sizeof value);
}

struct section {
    uint32_t type = 0;
    uint16_t flags = 0;
    std::string data; // empty for the nodes, which are written as they are made
    uint64_t bytes = 0;
    uint64_t offset = 0;
    uint64_t alignment = 0;
};

// One tree, before and after.
struct tree_plan {
    uint32_t first = 0;  // nodes of the source in front of it
    uint32_t count = 0;  // positions in the source
    uint32_t copies = 1; // 1: as it is
    uint64_t grown_count = 0;
};

std::string read_file(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!file && bytes.empty()) {
        throw std::runtime_error(path + ": cannot be read");
    }
    return bytes;
}

std::vector<section> read_sections(const std::string &file)
{
    std::vector<section> sections;
    const uint32_t count = get<uint32_t>(file, 44);
    for (uint32_t i = 0; i < count; i++) {
        const size_t entry = HEADER_BYTES + i * SECTION_ENTRY_BYTES;
        section each;
        each.type = get<uint32_t>(file, entry);
        each.flags = get<uint16_t>(file, entry + 6);
        each.bytes = get<uint64_t>(file, entry + 16);
        each.data = file.substr(get<uint64_t>(file, entry + 8), each.bytes);
        if (each.type == TYPE_NUMBERS) {
            throw std::runtime_error("only models numbered in preorder can be grown");
        }
        if (each.type != TYPE_GOLDEN && each.type != TYPE_PROOF) {
            sections.push_back(std::move(each));
        }
    }
    return sections;
}

section &find_section(std::vector<section> &sections, uint32_t type)
{
    for (section &each : sections) {
        if (each.type == type) {
            return each;
        }
    }
    throw std::runtime_error("a model file without section " + std::to_string(type));
}

// The copies stand below a tree whose nodes are numbered as in a heap: position 0, then from 2 on.
uint64_t top_positions(uint32_t copies)
{
    return copies == 1 ? 0 : (2 * static_cast<uint64_t>(copies) + 7) / 8 * 8;
}

uint32_t top_depth(uint32_t copies)
{
    uint32_t depth = 0;
    for (uint64_t last = 2 * static_cast<uint64_t>(copies) - 2; last > 0; last = (last - 1) / 2) {
        depth++;
    }
    return depth;
}

// How many copies of each tree bring the nodes to the wanted size, all trees growing alike.
std::vector<tree_plan> plan_trees(const std::string &trees, uint64_t wanted_nodes)
{
    std::vector<tree_plan> plans(trees.size() / TREE_BYTES);
    uint64_t made = 0;
    for (size_t i = 0; i < plans.size(); i++) {
        tree_plan &plan = plans[i];
        plan.first = static_cast<uint32_t>(get<uint64_t>(trees, i * TREE_BYTES));
        plan.count = get<uint32_t>(trees, i * TREE_BYTES + 8);
        const uint64_t goal = wanted_nodes / plans.size() * (i + 1);
        const uint64_t room = goal > made ? goal - made : 0;
        plan.copies = static_cast<uint32_t>(std::max<uint64_t>(1, room / (plan.count + 2)));
        plan.grown_count =
            top_positions(plan.copies) + static_cast<uint64_t>(plan.copies) * plan.count;
        made += plan.grown_count;
    }
    return plans;
}

uint32_t bits_for(const std::vector<tree_plan> &plans)
{
    uint32_t bits = 16; // 5: CHILD_BITS
    for (const tree_plan &plan : plans) {
        while (plan.grown_count > (UINT64_C(1) << bits)) {
            bits++;
        }
    }
    return bits;
}

// Source nodes and the widths their words are packed with, before and after.
struct packing {
    const std::string *nodes;
    uint32_t source_bits;
    uint32_t grown_bits;
};

uint64_t pack(const packing &way, uint32_t threshold, uint64_t child, uint32_t column)
{
    const uint32_t word = static_cast<uint32_t>(child) | (column << way.grown_bits);
    return threshold | (static_cast<uint64_t>(word) << 32);
}

// The source's node at `place`, its child moved by `shift`; a leaf is its own child (F-161).
uint64_t move_node(const packing &way, size_t place, uint64_t position, uint64_t shift)
{
    const uint32_t threshold = get<uint32_t>(*way.nodes, place * NODE_BYTES);
    const uint32_t word = get<uint32_t>(*way.nodes, place * NODE_BYTES + 4);
    const uint32_t column = word >> way.source_bits;
    const uint64_t child = word & ((UINT32_C(1) << way.source_bits) - 1);
    return pack(way, threshold, column == 0 ? position : child + shift, column);
}

void grow_tree(const tree_plan &plan, const packing &way, std::vector<uint64_t> &out)
{
    out.resize(plan.grown_count);
    if (plan.copies == 1) {
        for (uint32_t p = 0; p < plan.count; p++) {
            out[p] = move_node(way, plan.first + p, p, 0);
        }
        return;
    }
    const uint64_t top = top_positions(plan.copies);
    for (uint64_t p = 0; p < top; p++) {
        out[p] = pack(way, LEAF_ROW_ZERO, p, 0); // F-165
    }
    const uint64_t split = move_node(way, plan.first, 0, 0);
    const uint32_t column = static_cast<uint32_t>(split >> 32) >> way.grown_bits;
    for (uint64_t i = 0; i + 1 < plan.copies; i++) {
        const uint64_t position = i == 0 ? 0 : i + 1;
        out[position] = pack(way, static_cast<uint32_t>(split), 2 * i + 2, column);
    }
    for (uint64_t k = 0; k < plan.copies; k++) {
        const uint64_t base = top + k * plan.count;
        const uint64_t root = k + plan.copies; // heap number k + copies - 1
        out[root] = move_node(way, plan.first, root, base);
        out[base] = pack(way, LEAF_ROW_ZERO, base, 0);
        for (uint32_t p = 1; p < plan.count; p++) {
            out[base + p] = move_node(way, plan.first + p, base + p, base);
        }
    }
}

void update_tables(std::vector<section> &sections, const std::vector<tree_plan> &plans)
{
    std::string &model = find_section(sections, TYPE_MODEL).data;
    std::string &trees = find_section(sections, TYPE_TREES).data;
    uint64_t visits = 0;
    uint64_t source_nodes = 0;
    uint64_t first = 0;
    for (size_t i = 0; i < plans.size(); i++) {
        const tree_plan &plan = plans[i];
        const size_t entry = i * TREE_BYTES;
        const uint32_t depth = get<uint32_t>(trees, entry + 16) + top_depth(plan.copies);
        const uint32_t nodes = get<uint32_t>(trees, entry + 12) * plan.copies + plan.copies - 1;
        put(trees, entry, first);
        put(trees, entry + 8, static_cast<uint32_t>(plan.grown_count));
        put(trees, entry + 12, nodes);
        put(trees, entry + 16, depth);
        first += plan.grown_count;
        visits += depth;
        source_nodes += nodes;
    }
    put(model, 24, visits);       // F-066
    put(model, 32, source_nodes); // F-067
    put(find_section(sections, TYPE_PARTS).data, PART_CHILD_BITS, bits_for(plans));
    find_section(sections, TYPE_NODES).bytes = first * NODE_BYTES;
}

// F-041, F-049. Returns the size of the file.
uint64_t place_sections(std::vector<section> &sections)
{
    uint64_t end = HEADER_BYTES + sections.size() * SECTION_ENTRY_BYTES;
    for (section &each : sections) {
        const bool is_hot = each.type == TYPE_NODES || each.type == TYPE_LEAVES;
        each.alignment = !is_hot ? 64 : each.bytes >= (1u << 20) ? 65536 : 4096;
        each.offset = (end + each.alignment - 1) / each.alignment * each.alignment;
        end = each.offset + each.bytes + (is_hot ? HOT_TAIL_BYTES : 0);
    }
    return end;
}

class model_file
{
public:
    explicit model_file(const std::string &path)
        : path_(path), file_(std::fopen(path.c_str(), "wb"), &std::fclose)
    {
        check(file_ != nullptr);
    }

    // Writes one section at its place and fills its table entry.
    void write_section(const section &each, const std::vector<tree_plan> &plans, const packing &way,
                       std::string &entry)
    {
        XXH3_state_t checksum;
        crypto_generichash_state digest;
        XXH3_128bits_reset(&checksum);
        crypto_generichash_init(&digest, nullptr, 0, 32);
        const auto add = [&](const void *data, size_t bytes) {
            XXH3_128bits_update(&checksum, data, bytes);
            crypto_generichash_update(&digest, static_cast<const unsigned char *>(data), bytes);
            write(data, bytes);
        };
        check(fseeko(file_.get(), static_cast<off_t>(each.offset), SEEK_SET) == 0);
        if (each.type == TYPE_NODES) {
            std::vector<uint64_t> nodes;
            for (const tree_plan &plan : plans) {
                grow_tree(plan, way, nodes);
                add(nodes.data(), nodes.size() * NODE_BYTES);
            }
        } else {
            add(each.data.data(), each.data.size());
        }
        const XXH128_hash_t sum = XXH3_128bits_digest(&checksum);
        put(entry, 0, each.type);
        put(entry, 4, static_cast<uint16_t>(1));
        put(entry, 6, each.flags);
        put(entry, 8, each.offset);
        put(entry, 16, each.bytes);
        put(entry, 24, each.alignment);
        put(entry, 32, sum.low64);
        put(entry, 40, sum.high64);
        crypto_generichash_final(&digest, reinterpret_cast<unsigned char *>(&entry[48]), 32);
    }

    void write_head(const std::string &head)
    {
        check(fseeko(file_.get(), 0, SEEK_SET) == 0);
        write(head.data(), head.size());
        check(std::fflush(file_.get()) == 0);
    }

private:
    void write(const void *data, size_t bytes)
    {
        check(std::fwrite(data, 1, bytes, file_.get()) == bytes);
    }

    void check(bool is_good) const
    {
        if (!is_good) {
            throw std::runtime_error(path_ + ": " + std::strerror(errno));
        }
    }

    std::string path_;
    std::unique_ptr<FILE, int (*)(FILE *)> file_;
};

// Header and section table with their digest and checksum (6).
void seal_head(std::string &head)
{
    unsigned char digest[32];
    crypto_generichash(digest, sizeof digest, reinterpret_cast<unsigned char *>(&head[0]),
                       head.size(), nullptr, 0);
    std::memcpy(&head[64], digest, sizeof digest);
    put(head, 96, static_cast<uint64_t>(XXH3_64bits(head.data(), head.size())));
}

} // namespace

void grow_model(const std::string &model_path, const std::string &grown_path, uint64_t bytes)
{
    if (sodium_init() < 0) {
        throw std::runtime_error("libsodium does not start");
    }
    const std::string file = read_file(model_path);
    std::vector<section> sections = read_sections(file);
    const std::string parts = find_section(sections, TYPE_PARTS).data;
    const std::string nodes = find_section(sections, TYPE_NODES).data;
    if (parts.size() != 128 || get<uint32_t>(parts, 0) != 1 || get<uint32_t>(parts, 4) != 8) {
        throw std::runtime_error(model_path + ": only one walk part of 8-byte nodes can be grown");
    }
    const uint64_t other_bytes = file.size() - nodes.size();
    const std::vector<tree_plan> plans =
        plan_trees(find_section(sections, TYPE_TREES).data,
                   bytes > other_bytes ? (bytes - other_bytes) / NODE_BYTES : 0);
    const packing way = {&nodes, get<uint32_t>(parts, PART_CHILD_BITS), bits_for(plans)};
    update_tables(sections, plans);
    const uint64_t file_bytes = place_sections(sections);

    std::string head = file.substr(0, HEADER_BYTES);
    uint64_t private_end = 0;
    model_file out(grown_path);
    for (const section &each : sections) {
        std::string entry(SECTION_ENTRY_BYTES, '\0');
        out.write_section(each, plans, way, entry);
        head += entry;
        private_end = each.type < TYPE_NODES ? each.offset + each.bytes : private_end;
    }
    put(head, 16, file_bytes);
    put(head, 44, static_cast<uint32_t>(sections.size()));
    put(head, 56, private_end);
    std::fill(head.begin() + 64, head.begin() + 104, '\0');
    seal_head(head);
    out.write_head(head);
}

} // namespace espalier_bench
