// SPDX-License-Identifier: Apache-2.0
/*
 * Only for scripts/clang_tidy.sh, included before each file: the analyzer sees one file at a time
 * and would follow paths on which a function that fails returns success. Here it sees that the
 * status given to it is what comes back. Never compiled.
 */
#ifndef ESPALIER_TESTS_ANALYZER_HINTS_H
#define ESPALIER_TESTS_ANALYZER_HINTS_H

#include "../../format/error.h"

#define espalier_error_set(error_out, status, ...) \
    ((espalier_error_set)(error_out, status, __VA_ARGS__), (status))
#define espalier_error_system(error_out, status, ...) \
    ((espalier_error_system)(error_out, status, __VA_ARGS__), (status))

#endif
