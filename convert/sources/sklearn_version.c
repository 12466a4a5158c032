// SPDX-License-Identifier: Apache-2.0
/*
 * See sklearn_version.h. The rules are those of BaseDecisionTree._support_missing_values and of the
 * tags it asks, read in 1.3.0, 1.3.2, 1.4.0, 1.4.2, 1.5.2, 1.6.0, 1.6.1, 1.7.0, 1.7.2, 1.8.0, 1.9.0
 * and 1.9.1; they change with the minor version only.
 */
#include "convert/sources/sklearn_version.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* Decimal digits, capped: versions stay far below. */
static const char *parse_version_number(const char *at, uint32_t *out)
{
    uint32_t number = 0;
    const char *const first = at;
    while (isdigit((unsigned char)*at) && number < 1000000) {
        number = number * 10 + (uint32_t)(*at - '0');
        at++;
    }
    *out = number;
    return at == first ? NULL : at;
}

espalier_sklearn_version espalier_sklearn_version_parse(const char *text)
{
    espalier_sklearn_version version = {false, 0, 0};
    const char *at = parse_version_number(text, &version.major);
    if (at != NULL && *at == '.') {
        at = parse_version_number(at + 1, &version.minor);
        version.known = at != NULL;
    }
    return version.known ? version : (espalier_sklearn_version){false, 0, 0};
}

bool espalier_sklearn_version_from(espalier_sklearn_version version, uint32_t major, uint32_t minor)
{
    return version.known &&
           (version.major > major || (version.major == major && version.minor >= minor));
}

bool espalier_sklearn_criterion_missing(bool classifier, const char *criterion)
{
    static const char *const names[2][3] = {{"squared_error", "friedman_mse", "poisson"},
                                            {"gini", "log_loss", "entropy"}};
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(criterion, names[classifier ? 1 : 0][i]) == 0) {
            return true;
        }
    }
    return false;
}

bool espalier_sklearn_missing_allowed(espalier_sklearn_version version,
                                      const espalier_sklearn_tree_facts *facts)
{
    if (!espalier_sklearn_version_from(version, 1, facts->in_forest ? 4 : 3)) {
        return false;
    }
    if (espalier_sklearn_version_from(version, 1, 9)) {
        return !facts->extra || facts->splitter_random;
    }
    if (!facts->criterion_missing ||
        (facts->monotonic && espalier_sklearn_version_from(version, 1, 4))) {
        return false;
    }
    if (!espalier_sklearn_version_from(version, 1, 6)) {
        return facts->splitter_best; /* inherited by the extra trees too */
    }
    /* 1.6's ExtraTreeRegressor annotates its tag instead of setting it, so it keeps the
     * DecisionTreeRegressor's. */
    const bool as_extra =
        facts->extra && (facts->classifier || espalier_sklearn_version_from(version, 1, 7));
    return facts->splitter_random || (facts->splitter_best && !as_extra);
}
