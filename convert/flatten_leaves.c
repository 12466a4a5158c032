// SPDX-License-Identifier: Apache-2.0
/*
 * See flatten_leaves.h. Keeps where a row stands instead of its values: 8 bytes for a distinct row
 * and 16 to 32 of slots, however wide it is.
 */
#include "convert/flatten_leaves.h"

#include "format/checksum.h"
#include "format/layout.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY ((size_t)256)

static uint64_t hash_row(const espalier_leaf_table *table, uint64_t row)
{
    const double *const values = table->values + row * table->width;
    return espalier_checksum64(values, table->width * sizeof *values);
}

static bool rows_equal(const espalier_leaf_table *table, uint64_t a, uint64_t b)
{
    const double *const values = table->values;
    return memcmp(values + a * table->width, values + b * table->width,
                  table->width * sizeof *values) == 0;
}

espalier_status espalier_leaf_table_init(espalier_leaf_table *table, const double *values,
                                         uint32_t width)
{
    memset(table, 0, sizeof *table);
    table->values = values;
    table->width = width;
    table->rows = malloc(FIRST_CAPACITY * sizeof *table->rows);
    table->slots = calloc(2 * FIRST_CAPACITY, sizeof *table->slots);
    if (table->rows == NULL || table->slots == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    table->capacity = (uint32_t)FIRST_CAPACITY;
    table->slot_count = 2 * FIRST_CAPACITY;
    return ESPALIER_OK;
}

void espalier_leaf_table_close(espalier_leaf_table *table)
{
    free(table->slots);
    table->slots = NULL;
    table->slot_count = 0;
}

void espalier_leaf_table_free(espalier_leaf_table *table)
{
    espalier_leaf_table_close(table);
    free(table->rows);
    memset(table, 0, sizeof *table);
}

/* Doubles the room for rows and, at half load at most, for slots. */
static espalier_status grow_table(espalier_leaf_table *table)
{
    const uint64_t capacity = (uint64_t)table->capacity * 2;
    uint64_t *const rows = realloc(table->rows, capacity * sizeof *rows);
    if (rows == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    table->rows = rows;
    const uint64_t slot_count = capacity * 2;
    espalier_leaf_slot *const slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const uint64_t hash = hash_row(table, rows[i]);
        uint64_t slot = hash & (slot_count - 1);
        while (slots[slot].entry != 0) {
            slot = (slot + 1) & (slot_count - 1);
        }
        slots[slot] = (espalier_leaf_slot){i + 1, (uint32_t)(hash >> 32)};
    }
    free(table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    table->capacity = (uint32_t)capacity;
    return ESPALIER_OK;
}

espalier_status espalier_leaf_table_add(espalier_leaf_table *table, uint64_t row,
                                        uint32_t *number_out)
{
    if (table->count == ESPALIER_LIMIT_LEAVES) {
        return ESPALIER_ERROR_LIMIT;
    }
    if (table->count == table->capacity) {
        const espalier_status status = grow_table(table);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    /* Half of the slots are free, so the search ends. */
    const uint64_t hash = hash_row(table, row);
    uint64_t slot = hash & (table->slot_count - 1);
    while (table->slots[slot].entry != 0) {
        const uint32_t number = table->slots[slot].entry - 1;
        if (table->slots[slot].hash == (uint32_t)(hash >> 32) &&
            rows_equal(table, table->rows[number], row)) {
            *number_out = number;
            return ESPALIER_OK;
        }
        slot = (slot + 1) & (table->slot_count - 1);
    }
    table->rows[table->count] = row;
    table->slots[slot] = (espalier_leaf_slot){table->count + 1, (uint32_t)(hash >> 32)};
    *number_out = table->count++;
    return ESPALIER_OK;
}
