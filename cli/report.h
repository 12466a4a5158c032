// SPDX-License-Identifier: Apache-2.0
/*
 * What the files that fill the page of espalier inspect share: its limits, the rows it was given,
 * and the parts of its JSON. The page itself lies in cli/report/ and comes in as two runs of bytes.
 * Includes tree_view.h, jansson and libc.
 */
#ifndef ESPALIER_CLI_REPORT_H
#define ESPALIER_CLI_REPORT_H

#include "tree_view.h"

/* What a page holds at most, whatever the model; it says what was left out. */
enum {
    ESPALIER_REPORT_NODES = 40000, /* of all trees, unless --nodes says otherwise */
    ESPALIER_REPORT_TREES = 2000,
    ESPALIER_REPORT_WHOLE_TREES = 16,    /* that --tree may ask for */
    ESPALIER_REPORT_WHOLE_NODES = 20000, /* of each of these */
    ESPALIER_REPORT_FEATURES = 1000,
    ESPALIER_REPORT_CLASSES = 200,
    ESPALIER_REPORT_CATEGORIES = 5000, /* names of all features together */
    ESPALIER_REPORT_SET_CUTS = 100000,
    ESPALIER_REPORT_PARTS = 200,
    ESPALIER_REPORT_TEXT_BYTES = 240,     /* of a name or label */
    ESPALIER_REPORT_JSON_BYTES = 1 << 18, /* of metadata and of a benchmark, each */
    ESPALIER_REPORT_ROWS = 10000,         /* that are counted */
    ESPALIER_REPORT_ROWS_SHOWN = 20,
    ESPALIER_REPORT_ROW_VALUES = 2000, /* of each row shown */
    ESPALIER_REPORT_DEPTHS = 256
};

/* Rows as nodes see them: values[count][value_count], and the features of the first few. */
typedef struct espalier_report_rows {
    uint64_t count;
    bool is_cut; /* the file has more */
    uint32_t value_count;
    double *values;
    double *features; /* [ESPALIER_REPORT_ROWS_SHOWN][feature_count] */
} espalier_report_rows;

typedef struct espalier_report_options {
    uint64_t node_max;
    uint32_t whole_trees[ESPALIER_REPORT_WHOLE_TREES];
    uint32_t whole_count;
} espalier_report_options;

/* A name or label for the page, cut to its limit. NULL: no memory. */
json_t *espalier_report_text(const char *text, size_t bytes);

/*
 * Reads every tree once and adds "trees", "features", "shape" and "left_out" to the page's object.
 * False, and the message set, when memory ends or a tree is none. O(nodes + rows x visits).
 */
bool espalier_report_trees(const espalier_view *view, const espalier_report_options *options,
                           const espalier_report_rows *rows, json_t *page,
                           espalier_message *message);

/* Which pages of a file are in memory now. Taken before anything else looks at the file. */
typedef struct espalier_residency {
    uint64_t page_bytes;
    uint64_t page_count;
    unsigned char *pages; /* bit 0: resident; NULL: the system does not say */
} espalier_residency;

void espalier_residency_take(const char *path, espalier_residency *residency);
void espalier_residency_free(espalier_residency *residency);

/* Adds "sections" and "map" to the page's object. */
bool espalier_report_file(const espalier_view *view, const espalier_residency *residency,
                          json_t *page);

/* The page before and behind its data: bytes of cli/report/, put together by the build. */
extern const unsigned char espalier_report_head[];
extern const size_t espalier_report_head_bytes;
extern const unsigned char espalier_report_tail[];
extern const size_t espalier_report_tail_bytes;

#endif
