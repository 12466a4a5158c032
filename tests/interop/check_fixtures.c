// SPDX-License-Identifier: Apache-2.0
/*
 * check_fixtures [GLOB]: the models in tests/fixtures through the libraries against what their
 * trainers answered, in C, so that importers are tested where there is no Python. GLOB takes some
 * of them ("sklearn-1.4.2/forest_*"), ESPALIER_FIXTURES_NTH every n-th. Exit 1 if one failed or
 * nothing ran.
 */
#include "tests/support/fixture_run.h"

#include <stdlib.h>

/* 0: not a number. */
static size_t read_nth(void)
{
    const char *const text = getenv("ESPALIER_FIXTURES_NTH");
    char *end = NULL;
    if (text == NULL) {
        return 1;
    }
    const unsigned long nth = strtoul(text, &end, 10);
    return end == text || *end != '\0' ? 0 : nth;
}

int main(int argc, char **argv)
{
    const fixture_options options = {.manifest = ESPALIER_TEST_SOURCE_DIR "/fixtures/manifest.tsv",
                                     .glob = argc > 1 ? argv[1] : NULL,
                                     .nth = read_nth(),
                                     .out = stdout};
    fixture_counts counts;
    if (options.nth == 0) {
        (void)fprintf(stderr, "check_fixtures: ESPALIER_FIXTURES_NTH is no number above 0\n");
        return 1;
    }
    return fixtures_run(&options, &counts) ? 0 : 1;
}
