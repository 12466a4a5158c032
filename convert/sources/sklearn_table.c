// SPDX-License-Identifier: Apache-2.0
/*
 * Tables, operations and attributes for the readers of transformers. See sklearn_prepare.h.
 */
#include "convert/sources/sklearn_prepare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

espalier_status espalier_sklearn_spend(espalier_sklearn_prepare *prepare, uint64_t work)
{
    if (work > *prepare->work_left) {
        return espalier_sklearn_fail(&prepare->import, NULL, ESPALIER_ERROR_SOURCE_LIMIT,
                                     "the pipelines have too many steps, name too many columns, or "
                                     "ask too many trees or coefficients, to go through them all");
    }
    *prepare->work_left -= work;
    return ESPALIER_OK;
}

/* ---- tables --------------------------------------------------------------------------------- */

espalier_status espalier_sklearn_table_add(espalier_sklearn_prepare *prepare,
                                           espalier_sklearn_table *table, uint32_t value)
{
    if (table->count == table->room) {
        const uint32_t room = table->room == 0 ? 16 : table->room * 2;
        uint32_t *const values = table->count < ESPALIER_LIMIT_PREPARED
                                     ? realloc(table->values, (size_t)room * sizeof *table->values)
                                     : NULL;
        if (values == NULL) {
            return espalier_sklearn_fail(&prepare->import, NULL, ESPALIER_ERROR_MEMORY,
                                         "no memory for a table of %" PRIu32 " columns", room);
        }
        table->values = values;
        table->room = room;
    }
    table->values[table->count++] = value;
    return ESPALIER_OK;
}

void espalier_sklearn_table_free(espalier_sklearn_table *table)
{
    free(table->values);
    *table = (espalier_sklearn_table){0};
}

static bool is_float(espalier_sklearn_dtype dtype)
{
    return dtype == ESPALIER_SKLEARN_FLOAT32 || dtype == ESPALIER_SKLEARN_FLOAT64;
}

static bool is_wide_integer(espalier_sklearn_dtype dtype)
{
    return dtype == ESPALIER_SKLEARN_INTEGER || dtype == ESPALIER_SKLEARN_UNSIGNED;
}

/* Of two types that differ, `a` none that comes behind `b` in the order of promote. */
static espalier_sklearn_dtype promote_two(espalier_sklearn_dtype a, espalier_sklearn_dtype b)
{
    if (b == ESPALIER_SKLEARN_BOOL) {
        return a;
    }
    if (is_float(a)) {
        return is_float(b) || is_wide_integer(b) ? ESPALIER_SKLEARN_FLOAT64 : a;
    }
    if (is_wide_integer(a)) {
        return ESPALIER_SKLEARN_INTEGER;
    }
    /* uint16 beside int8 or int16 is int32; uint8 fits into all. */
    return b == ESPALIER_SKLEARN_UINT8 ? a : ESPALIER_SKLEARN_INTEGER;
}

espalier_sklearn_dtype espalier_sklearn_promote(uint32_t types)
{
    static const espalier_sklearn_dtype order[] = {
        ESPALIER_SKLEARN_FLOAT64,  ESPALIER_SKLEARN_FLOAT32, ESPALIER_SKLEARN_INTEGER,
        ESPALIER_SKLEARN_UNSIGNED, ESPALIER_SKLEARN_UINT16,  ESPALIER_SKLEARN_SMALL,
        ESPALIER_SKLEARN_UINT8,    ESPALIER_SKLEARN_BOOL,
    };
    espalier_sklearn_dtype result = ESPALIER_SKLEARN_BOOL;
    bool started = false;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if ((types & ESPALIER_SKLEARN_TYPE(order[i])) != 0) {
            result = started ? promote_two(result, order[i]) : order[i];
            started = true;
        }
    }
    return result;
}

espalier_sklearn_dtype espalier_sklearn_as_float(espalier_sklearn_dtype dtype)
{
    return dtype == ESPALIER_SKLEARN_FLOAT32 ? dtype : ESPALIER_SKLEARN_FLOAT64;
}

uint32_t espalier_sklearn_rounding(const espalier_sklearn_table *table)
{
    return (table->narrow == ESPALIER_SKLEARN_FLOAT32 ? ESPALIER_PREPARE_ROUND_FLOAT32 : 0) |
           (table->wide == ESPALIER_SKLEARN_FLOAT32 ? ESPALIER_PREPARE_ROUND_FLOAT64 : 0);
}

/* ---- operations ----------------------------------------------------------------------------- */

static espalier_status report(const espalier_sklearn_prepare *prepare, espalier_status status)
{
    if (status == ESPALIER_OK) {
        return status;
    }
    return espalier_sklearn_fail(&prepare->import, NULL, status,
                                 status == ESPALIER_ERROR_LIMIT
                                     ? "the pipeline has more operations or numbers than a model"
                                     : "no memory for the pipeline's operations");
}

espalier_status espalier_sklearn_operate(espalier_sklearn_prepare *prepare, uint32_t operation,
                                         uint32_t flags, const double *numbers, uint32_t count,
                                         uint32_t number_flags, uint32_t *value)
{
    espalier_prepare_numbers own = {0, 0, 0};
    espalier_status status = ESPALIER_OK;
    if (count > 0) {
        status = espalier_preparation_add_numbers(prepare->preparation, numbers, count,
                                                  number_flags, &own);
    }
    if (status == ESPALIER_OK) {
        status = espalier_preparation_add(prepare->preparation, operation, flags, *value, 1, &own,
                                          value);
    }
    return report(prepare, status);
}

espalier_status espalier_sklearn_refuse_values(espalier_sklearn_prepare *prepare,
                                               const espalier_sklearn_table *table, bool missing,
                                               bool infinite, uint32_t rounding)
{
    const uint32_t flags = rounding | (missing ? ESPALIER_PREPARE_REFUSE_NAN : 0) |
                           (infinite ? ESPALIER_PREPARE_REFUSE_INFINITE : 0);
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < table->count && status == ESPALIER_OK && (missing || infinite); i++) {
        status = espalier_preparation_add(prepare->preparation, ESPALIER_PREPARE_CHECK, flags,
                                          table->values[i], 0, NULL, NULL);
    }
    return report(prepare, status);
}

/* ---- attributes ----------------------------------------------------------------------------- */

static bool is_none(const espalier_pickle_value *value)
{
    return value == NULL || espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE;
}

espalier_status espalier_sklearn_numbers(espalier_sklearn_prepare *prepare,
                                         const espalier_pickle_value *object, const char *name,
                                         bool required, uint32_t *count, double **numbers_out)
{
    espalier_sklearn_import *const import = &prepare->import;
    const espalier_pickle_value *value = NULL;
    double scalar = 0.0;
    void *numbers = NULL;
    *numbers_out = NULL;
    espalier_status status = espalier_sklearn_attribute(import, object, name, required, &value);
    if (status != ESPALIER_OK || (is_none(value) && !required)) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    const bool is_scalar = array == NULL && espalier_pickle_get_double(value, &scalar);
    const uint64_t found = array != NULL ? array->form->element_count : is_scalar;
    const bool shaped = array == NULL ? is_scalar : array->form->dim_count == 1;
    if (!shaped || (*count != 0 && found != *count) || found > ESPALIER_LIMIT_PREPARED) {
        return espalier_sklearn_fail(import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "%s is no array of %" PRIu32 " numbers", name, *count);
    }
    status = espalier_sklearn_allocate(import, found, sizeof scalar, &numbers);
    if (status != ESPALIER_OK) {
        return status;
    }
    double *const all = numbers;
    for (uint64_t i = 0; i < found; i++) {
        all[i] = scalar;
        if (array != NULL && !espalier_pickle_array_double(array, i, &all[i])) {
            free(numbers);
            return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "%s holds something that is no number", name);
        }
    }
    *count = (uint32_t)found;
    *numbers_out = all;
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_flag(espalier_sklearn_prepare *prepare,
                                      const espalier_pickle_value *object, const char *name,
                                      bool absent, bool *flag_out)
{
    const espalier_pickle_value *value = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, name, false, &value);
    int64_t number = 0;
    *flag_out = absent && value == NULL; /* None is false */
    if (status != ESPALIER_OK || is_none(value)) {
        return status;
    }
    if (!espalier_pickle_get_int64(value, &number)) {
        return espalier_sklearn_fail(&prepare->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "%s is neither true nor false", name);
    }
    *flag_out = number != 0;
    return ESPALIER_OK;
}

bool espalier_sklearn_has_text(const espalier_sklearn_prepare *prepare,
                               const espalier_pickle_value *object, const char *name,
                               const char *text)
{
    const espalier_pickle_value *value = NULL;
    (void)espalier_pickle_attribute(prepare->import.pickle, object, name, &value, NULL);
    return value != NULL && espalier_pickle_text_equal(value, text);
}

static bool dtype_of_text(espalier_pickle_slice text, espalier_sklearn_dtype *dtype)
{
    static const struct {
        const char *name;
        espalier_sklearn_dtype dtype;
    } names[] = {
        {"float64", ESPALIER_SKLEARN_FLOAT64}, {"float", ESPALIER_SKLEARN_FLOAT64},
        {"double", ESPALIER_SKLEARN_FLOAT64},  {"float32", ESPALIER_SKLEARN_FLOAT32},
        {"int", ESPALIER_SKLEARN_INTEGER},     {"int64", ESPALIER_SKLEARN_INTEGER},
        {"int32", ESPALIER_SKLEARN_INTEGER},   {"int_", ESPALIER_SKLEARN_INTEGER},
        {"uint32", ESPALIER_SKLEARN_UNSIGNED}, {"uint64", ESPALIER_SKLEARN_UNSIGNED},
        {"int8", ESPALIER_SKLEARN_SMALL},      {"uint8", ESPALIER_SKLEARN_UINT8},
        {"int16", ESPALIER_SKLEARN_SMALL},     {"uint16", ESPALIER_SKLEARN_UINT16},
        {"bool", ESPALIER_SKLEARN_BOOL},       {"bool_", ESPALIER_SKLEARN_BOOL},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (espalier_pickle_slice_equal(text, names[i].name)) {
            *dtype = names[i].dtype;
            return true;
        }
    }
    return false;
}

static bool dtype_of_numpy(const espalier_pickle_dtype *found, espalier_sklearn_dtype *dtype)
{
    if (found->kind == 'f' && (found->item_bytes == 4 || found->item_bytes == 8)) {
        *dtype = found->item_bytes == 4 ? ESPALIER_SKLEARN_FLOAT32 : ESPALIER_SKLEARN_FLOAT64;
        return true;
    }
    if (found->kind == 'i') {
        *dtype = found->item_bytes >= 4 ? ESPALIER_SKLEARN_INTEGER : ESPALIER_SKLEARN_SMALL;
        return true;
    }
    if (found->kind == 'u') {
        *dtype = found->item_bytes >= 4   ? ESPALIER_SKLEARN_UNSIGNED
                 : found->item_bytes == 1 ? ESPALIER_SKLEARN_UINT8
                                          : ESPALIER_SKLEARN_UINT16;
        return true;
    }
    if (found->kind == 'b') {
        *dtype = ESPALIER_SKLEARN_BOOL;
        return true;
    }
    return false;
}

espalier_status espalier_sklearn_read_dtype(espalier_sklearn_prepare *prepare,
                                            const espalier_pickle_value *object, const char *name,
                                            espalier_sklearn_dtype *dtype)
{
    const espalier_pickle_value *value = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, name, false, &value);
    if (status != ESPALIER_OK || is_none(value)) {
        return status;
    }
    const espalier_pickle_name *const symbol = espalier_pickle_symbol(value);
    const espalier_pickle_dtype *const found = espalier_pickle_get_dtype(value);
    espalier_pickle_slice text;
    const bool known = symbol != NULL ? dtype_of_text(symbol->name, dtype)
                       : found != NULL
                           ? dtype_of_numpy(found, dtype)
                           : espalier_pickle_get_text(value, &text) && dtype_of_text(text, dtype);
    return known ? ESPALIER_OK
                 : espalier_sklearn_fail(&prepare->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "%s is none of float64, float32, integers and booleans",
                                         name);
}
