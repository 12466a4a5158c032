// SPDX-License-Identifier: Apache-2.0
/*
 * What the versions of scikit-learn do differently. docs/semantics.md has the same tables.
 * May include: libc only.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SKLEARN_VERSION_H
#define ESPALIER_CONVERT_SOURCES_SKLEARN_VERSION_H

#include <stdbool.h>
#include <stdint.h>

/* "1.4.2" is {true, 1, 4}; known is false where a file does not say. */
typedef struct espalier_sklearn_version {
    bool known;
    uint32_t major;
    uint32_t minor;
} espalier_sklearn_version;

espalier_sklearn_version espalier_sklearn_version_parse(const char *text);

bool espalier_sklearn_version_from(espalier_sklearn_version version, uint32_t major,
                                   uint32_t minor);

/* Facts about the tree whose rule decides: a forest asks its first. */
typedef struct espalier_sklearn_tree_facts {
    bool classifier;
    bool extra;
    bool in_forest;
    bool splitter_best;     /* splitter == "best" */
    bool splitter_random;   /* splitter == "random" */
    bool criterion_missing; /* criterion is one that has ever taken missing values */
    bool monotonic;         /* monotonic_cst is not None */
} espalier_sklearn_tree_facts;

/* Whether `criterion` is gini, log_loss, entropy, or squared_error, friedman_mse, poisson. */
bool espalier_sklearn_criterion_missing(bool classifier, const char *criterion);

/* Whether predict of that version accepts NaN (dense rows). An unknown version counts as 1.2. */
bool espalier_sklearn_missing_allowed(espalier_sklearn_version version,
                                      const espalier_sklearn_tree_facts *facts);

#endif
