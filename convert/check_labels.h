// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a trainer's answers out of an array: numbers, and class labels of every kind.
 */
#ifndef ESPALIER_CONVERT_CHECK_LABELS_H
#define ESPALIER_CONVERT_CHECK_LABELS_H

#include "convert/forest.h"
#include "espalier_convert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when items of the array can be labels of this kind. */
bool espalier_check_labels_fit(const espalier_array *array, const espalier_forest_labels *labels);

/* True when the item is the label. They must fit. */
bool espalier_check_is_label(const espalier_array *array, size_t row, size_t column,
                             const espalier_forest_labels *labels, uint32_t label);

/* An item as text for a message, cut where it is long. */
void espalier_check_print_item(const espalier_array *array, size_t row, size_t column, char *text,
                               size_t text_bytes);

/* An item of kind 'i', 'u' or 'b' as 64-bit two's complement. False when a 'u' does not fit. */
bool espalier_check_integer(const espalier_array *array, size_t row, size_t column, int64_t *out);

/* An item of kind 'f' with 4 or 8 bytes. */
double espalier_check_real(const espalier_array *array, size_t row, size_t column);

/* A label as text for a message. */
void espalier_check_print_label(const espalier_forest_labels *labels, uint32_t label, char *text,
                                size_t text_bytes);

#endif
