// SPDX-License-Identifier: Apache-2.0
/*
 * The rule by which a prediction is what the trainer answered: the same dtype, the same number of
 * rows and columns, and the same bits, but any NaN is any other: an operation's own has the sign
 * that the processor gives it. Where the trainer went through exp or log, two units in the last
 * place; of a probability 1 - p, which stands before p, those of p. Labels are compared by value.
 */
#ifndef TESTS_SUPPORT_FIXTURE_RULE_H
#define TESTS_SUPPORT_FIXTURE_RULE_H

#include "espalier.h"
#include "tests/support/npy_file.h"

/* A prediction: C order, without gaps. */
typedef struct fixture_found {
    espalier_output_kind kind;
    uint32_t dtype; /* espalier_dtype */
    size_t row_count;
    size_t column_count;
    const uint8_t *items;
} fixture_found;

/* Of the model, whose labels the classes are. False, and the message set, at the first item that
 * differs. */
bool fixture_rule_holds(const npy_file *expected, const fixture_found *found,
                        const espalier_model *model, bool is_linked, fixture_message *message);

#endif
