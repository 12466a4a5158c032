// SPDX-License-Identifier: Apache-2.0
/*
 * The rankers of every level this machine has: sorted cuts against a plain count of the cuts below
 * a value, garbage in the cuts against a plain walk by the words of kernel.h. NaN, infinities,
 * denormals, zeros of both signs, ulp neighbours of cuts, cut counts around all edges of blocks.
 * Cuts, values and ranks end where an inaccessible page begins. Stands alone like check_masks.
 */
#include "engine/kernels/kernel.h"
#include "espalier.h"
#include "format/layout.h"
#include "tests/kernels/kernel_levels.h"
#include "tests/kernels/kernel_memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUTS_MAX  70000u
#define VALUE_MAX 600u
#define LIST_MAX  40u
#define ITEMS_MAX 80000u /* of all levels of a list */

/* Everything is kept as double; float32 lists hold values that are float32 already. */
typedef struct cut_case {
    espalier_cut_list list;
    uint32_t item_bytes;
    bool garbage;
    double cuts[CUTS_MAX];
} cut_case;

static int compare_doubles(const void *a, const void *b)
{
    double x;
    double y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static double as_item(double value, uint32_t item_bytes)
{
    return item_bytes == 4 ? (double)(float)value : value;
}

static double random_value(uint32_t item_bytes)
{
    static const double odd[] = {0.0,    -0.0,   5e-324, 1e-45, -1e-45,  1.1754944e-38,
                                 1e-310, 1e38,   -1e38,  1e300, -1e300,  INFINITY,
                                 1.0,    -1e-30, 1e-35,  3e38,  2.5e-308};
    if (random_below(6) == 0) {
        return as_item(odd[random_below(sizeof odd / sizeof odd[0])], item_bytes);
    }
    const double wide = (double)random_next() / 2147483648.0 - 0.5;
    return as_item(random_below(3) == 0 ? wide * 1e-3 : wide * 1000, item_bytes);
}

static void store_item(uint8_t *at, size_t index, uint32_t item_bytes, double value)
{
    const float narrow = (float)value;
    memcpy(at + index * item_bytes, item_bytes == 4 ? (const void *)&narrow : &value, item_bytes);
}

static double load_item(const uint8_t *at, size_t index, uint32_t item_bytes)
{
    float narrow = 0;
    double value = 0;
    memcpy(item_bytes == 4 ? (void *)&narrow : &value, at + index * item_bytes, item_bytes);
    return item_bytes == 4 ? (double)narrow : value;
}

/* Fills a list whose levels end at `end`; returns where they begin. */
static uint8_t *make_list(cut_case *c, uint32_t cut_count, uint8_t *end)
{
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < cut_count; i++) {
        c->cuts[i] = random_value(c->item_bytes);
    }
    qsort(c->cuts, cut_count, sizeof c->cuts[0], compare_doubles);
    for (uint32_t i = 0; i < cut_count; i++) {
        if (distinct == 0 || c->cuts[distinct - 1] < c->cuts[i]) {
            c->cuts[distinct++] = c->cuts[i];
        }
    }
    uint32_t counts[ESPALIER_CUT_LEVELS_MAX]; /* items, the last level first */
    uint32_t level_count = 0;
    uint32_t items = distinct;
    size_t blocks = 0;
    do {
        counts[level_count++] = items;
        items = (items + ESPALIER_CUT_BLOCK - 1) / ESPALIER_CUT_BLOCK;
        blocks += items;
    } while (items > 1);
    uint8_t *at = end - blocks * ESPALIER_CUT_BLOCK * c->item_bytes;
    uint8_t *const begin = at;
    c->list = (espalier_cut_list){.level_count = level_count, .cut_count = distinct};
    uint32_t step = 1;
    for (uint32_t level = 1; level < level_count; level++) {
        step *= ESPALIER_CUT_BLOCK;
    }
    for (uint32_t level = 0; level < level_count; level++) {
        const uint32_t count = counts[level_count - 1 - level];
        const uint32_t block_count = (count + ESPALIER_CUT_BLOCK - 1) / ESPALIER_CUT_BLOCK;
        c->list.levels[level] = at;
        c->list.last_block[level] = block_count - 1;
        for (uint32_t i = 0; i < block_count * ESPALIER_CUT_BLOCK; i++) {
            /* Item i of a level is the last of its block in the level below, and so on down. */
            const size_t last = ((size_t)i + 1) * step - 1;
            const double padded = i < count && last < distinct ? c->cuts[last] : INFINITY;
            store_item(at, i, c->item_bytes, padded);
        }
        at += (size_t)block_count * ESPALIER_CUT_BLOCK * c->item_bytes;
        step /= ESPALIER_CUT_BLOCK;
    }
    if (c->garbage) {
        for (uint8_t *byte = begin; byte < end; byte++) {
            *byte = (uint8_t)random_next();
        }
    }
    return begin;
}

/* By the words of kernel.h. */
static uint32_t walk_rank(const cut_case *c, double value)
{
    uint32_t rank = 0;
    for (uint32_t level = 0; level < c->list.level_count; level++) {
        const uint32_t last = c->list.last_block[level];
        const uint32_t block = rank < last ? rank : last;
        uint32_t below = 0;
        for (uint32_t i = 0; i < ESPALIER_CUT_BLOCK; i++) {
            const size_t item = (size_t)block * ESPALIER_CUT_BLOCK + i;
            below += load_item(c->list.levels[level], item, c->item_bytes) < value ? 1 : 0;
        }
        rank = ESPALIER_CUT_BLOCK * block + below;
    }
    return rank < c->list.cut_count ? rank : c->list.cut_count;
}

static uint32_t plain_rank(const cut_case *c, double value)
{
    if (c->garbage) {
        return walk_rank(c, value);
    }
    uint32_t low = 0;
    uint32_t high = c->list.cut_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (c->cuts[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static double test_value(const cut_case *c)
{
    if (c->list.cut_count > 0 && random_below(3) != 0) {
        const double cut = c->cuts[random_below(c->list.cut_count)];
        const double towards = random_below(2) == 0 ? INFINITY : -INFINITY;
        const double next = c->item_bytes == 4 ? (double)nextafterf((float)cut, (float)towards)
                                               : nextafter(cut, towards);
        return random_below(3) == 0 ? cut : next;
    }
    switch (random_below(12)) {
    case 0:
        return NAN;
    case 1:
        return -NAN;
    case 2:
        return INFINITY;
    case 3:
        return -INFINITY;
    default:
        return random_value(c->item_bytes);
    }
}

static void fail(const espalier_ranker *ranker, const cut_case *c, const char *what, double value,
                 uint32_t got, uint32_t want)
{
    (void)fprintf(stderr, "%s: %s, %u-byte items%s, %u cuts: %.17g has rank %u, not %u\n",
                  ranker->name, what, c->item_bytes, c->garbage ? ", garbage" : "",
                  c->list.cut_count, value, got, want);
    exit(1);
}

static struct {
    uint8_t *cuts, *values, *ranks;
} ends;

/* `count` values against one list. */
static void check_block(const espalier_ranker *ranker, const cut_case *c, uint32_t count)
{
    double values[VALUE_MAX];
    uint8_t *const narrow = ends.values - (size_t)count * c->item_bytes;
    uint32_t *const ranks = (uint32_t *)(void *)(ends.ranks - count * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        values[i] = test_value(c);
        store_item(narrow, i, c->item_bytes, values[i]);
    }
    if (c->item_bytes == 4) {
        ranker->rank_block_float32(&c->list, (const float *)(const void *)narrow, count, ranks);
    } else {
        ranker->rank_block_float64(&c->list, (const double *)(const void *)narrow, count, ranks);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t want = plain_rank(c, values[i]);
        if (ranks[i] != want) {
            fail(ranker, c, "a block", values[i], ranks[i], want);
        }
    }
}

/* `count` values, each against its own list. */
static void check_row(const espalier_ranker *ranker, cut_case *cases, uint32_t count)
{
    static espalier_cut_list lists[LIST_MAX];
    double values[LIST_MAX];
    const uint32_t item_bytes = cases[0].item_bytes;
    uint8_t *const narrow = ends.values - (size_t)count * item_bytes;
    uint32_t *const ranks = (uint32_t *)(void *)(ends.ranks - count * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        lists[i] = cases[i].list;
        values[i] = test_value(&cases[i]);
        store_item(narrow, i, item_bytes, values[i]);
    }
    if (item_bytes == 4) {
        ranker->rank_row_float32(lists, (const float *)(const void *)narrow, count, ranks);
    } else {
        ranker->rank_row_float64(lists, (const double *)(const void *)narrow, count, ranks);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t want = plain_rank(&cases[i], values[i]);
        if (ranks[i] != want) {
            fail(ranker, &cases[i], "a row", values[i], ranks[i], want);
        }
    }
}

static void check_ranker(const espalier_ranker *ranker, cut_case *cases)
{
    static const uint32_t cut_counts[] = {1,    2,    3,    15,   16,    17,    31,    32,   33,
                                          47,   48,   100,  239,  240,   241,   254,   255,  256,
                                          257,  272,  273,  1000, 4080,  4095,  4096,  4097, 5000,
                                          4352, 4353, 8192, 9999, 65535, 65536, 65537, 70000};
    const size_t case_count = sizeof cut_counts / sizeof cut_counts[0];
    for (uint32_t item_bytes = 4; item_bytes <= 8; item_bytes += 4) {
        for (size_t i = 0; i < 2 * case_count; i++) {
            cases[0].item_bytes = item_bytes;
            cases[0].garbage = i >= case_count;
            (void)make_list(&cases[0], cut_counts[i % case_count], ends.cuts);
            for (uint32_t count = 1; count <= VALUE_MAX; count += 1 + count / 3) {
                check_block(ranker, &cases[0], count);
            }
        }
        for (int repeat = 0; repeat < 30; repeat++) {
            uint8_t *end = ends.cuts;
            for (uint32_t i = 0; i < LIST_MAX; i++) {
                cases[i].item_bytes = item_bytes;
                cases[i].garbage = random_below(4) == 0;
                const uint32_t limit = random_below(5) == 0 ? 6000 : repeat % 3 == 0 ? 16 : 256;
                end = make_list(&cases[i], 1 + random_below(limit), end);
            }
            for (uint32_t count = 1; count <= LIST_MAX; count++) {
                check_row(ranker, cases, count);
            }
        }
    }
}

int main(void)
{
    cut_case *const cases = calloc(LIST_MAX, sizeof *cases);
    if (cases == NULL) {
        return 1;
    }
    ends.cuts = guarded_end((size_t)LIST_MAX * ITEMS_MAX * sizeof(double));
    ends.values = guarded_end(VALUE_MAX * sizeof(double));
    ends.ranks = guarded_end(VALUE_MAX * sizeof(uint32_t));
    uint32_t checked = 0;
    for (uint32_t level = ESPALIER_ISA_SCALAR; level < ESPALIER_ISA_COUNT; level++) {
        const espalier_ranker *const ranker = levels_ranker(level);
        if (ranker == NULL || !levels_can_run(level)) {
            continue;
        }
        random_state = 77;
        check_ranker(ranker, cases);
        (void)printf("%s: ranks agree\n", ranker->name);
        checked++;
    }
    free(cases);
    return checked > 0 ? 0 : 77;
}
