// SPDX-License-Identifier: Apache-2.0
/*
 * OrdinalEncoder, OneHotEncoder and KBinsDiscretizer. See sklearn_prepare.h.
 */
#include "convert/sources/sklearn_prepare.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* What one column's look-up is made of: count keys, count values, and the value of all others. */
typedef struct encoding {
    double *numbers; /* [2 count + 1] */
    uint32_t count;
    bool refuses; /* what is no key */
    bool text;    /* keys are numbers of categories, in no order */
} encoding;

/* ---- what both encoders have ---------------------------------------------------------------- */

/* Element `column` of a list attribute; NULL where the attribute, or the element, is None. */
static espalier_status find_element(const espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object, const char *name,
                                    uint32_t column, const espalier_pickle_value **value_out)
{
    const espalier_pickle_value *list = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, name, false, &list);
    *value_out = NULL;
    if (status != ESPALIER_OK || list == NULL) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(list);
    const espalier_pickle_value *const value = array != NULL
                                                   ? espalier_pickle_array_item(array, column)
                                                   : espalier_pickle_item(list, column);
    if (value != NULL && espalier_pickle_kind_of(value) != ESPALIER_PICKLE_NONE) {
        *value_out = value;
    }
    return status;
}

static espalier_status refuse_categories(const espalier_sklearn_prepare *prepare,
                                         const espalier_pickle_value *at, uint32_t column)
{
    return espalier_sklearn_fail(&prepare->import, at, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "categories_[%" PRIu32
                                 "] are neither text nor sorted numbers; encode them to one of "
                                 "these before the pipeline",
                                 column);
}

/* Key i of a column of text, or of objects that are numbers. */
static espalier_status read_item(espalier_sklearn_prepare *prepare,
                                 const espalier_pickle_value *categories,
                                 const espalier_pickle_array *array, uint32_t column,
                                 uint32_t value, uint32_t i, bool text, double *key)
{
    const espalier_pickle_value *const item = espalier_pickle_array_item(array, i);
    size_t bytes = 0;
    bool truth = false;
    if (espalier_sklearn_is_missing(item)) {
        *key = NAN;
        return ESPALIER_OK;
    }
    if (text && espalier_pickle_array_text(array, i, NULL, 0, &bytes)) {
        return espalier_sklearn_number_item(prepare, categories, value, array, i, key);
    }
    return text || espalier_pickle_get_bool(item, &truth) || !espalier_pickle_get_double(item, key)
               ? refuse_categories(prepare, categories, column)
               : ESPALIER_OK;
}

/* The keys of a column, and its values as far as they are the keys' places. value: what is looked
 * up. Keys of text need to be sorted when the values are final. */
static espalier_status read_keys(espalier_sklearn_prepare *prepare,
                                 const espalier_pickle_value *object, uint32_t column,
                                 uint32_t value, encoding *out)
{
    const espalier_pickle_value *categories = NULL;
    void *numbers = NULL;
    espalier_status status = find_element(prepare, object, "categories_", column, &categories);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(categories);
    if (array == NULL || array->form->dim_count != 1 ||
        array->form->element_count > ESPALIER_LIMIT_PREPARED) {
        return refuse_categories(prepare, object, column);
    }
    out->count = (uint32_t)array->form->element_count;
    out->text = espalier_sklearn_has_texts(array);
    status = espalier_sklearn_allocate(&prepare->import, 2 * (uint64_t)out->count + 1,
                                       sizeof *out->numbers, &numbers);
    out->numbers = numbers;
    for (uint32_t i = 0; i < out->count && status == ESPALIER_OK; i++) {
        double *const key = &out->numbers[i];
        if (out->text || array->items != NULL) {
            status = read_item(prepare, categories, array, column, value, i, out->text, key);
        } else if (!espalier_pickle_array_double(array, i, key)) {
            status = refuse_categories(prepare, categories, column);
        }
        if (status == ESPALIER_OK && !out->text &&
            ((isnan(*key) && i + 1 < out->count && array->items == NULL) ||
             (i > 0 && !isnan(*key) && !(key[-1] < *key)))) {
            status = refuse_categories(prepare, categories, column);
        }
        out->numbers[out->count + i] = (double)i;
    }
    if (!out->text && out->count > 0) {
        espalier_sklearn_mark_number(prepare, value);
    }
    return status;
}

/* Values become the places after rare categories were put together; of `count` keys, as a missing
 * category at the end may stand apart. *first_out: the place of the first rare one before that;
 * UINT32_MAX: the column has none. */
static espalier_status group_rare(espalier_sklearn_prepare *prepare,
                                  const espalier_pickle_value *object, uint32_t column,
                                  uint32_t count, encoding *own, uint32_t *first_out)
{
    const espalier_pickle_value *mapping = NULL;
    bool enabled = false;
    *first_out = UINT32_MAX;
    espalier_status status =
        espalier_sklearn_flag(prepare, object, "_infrequent_enabled", false, &enabled);
    if (status == ESPALIER_OK && enabled) {
        status = find_element(prepare, object, "_default_to_infrequent_mappings", column, &mapping);
    }
    if (status != ESPALIER_OK || mapping == NULL) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(mapping);
    int64_t most = -1;
    for (uint32_t i = 0; i < count; i++) {
        int64_t place = -1;
        if (array == NULL || array->form->element_count != count ||
            !espalier_pickle_array_int64(array, i, &place) || place < 0 || place >= own->count) {
            return espalier_sklearn_fail(&prepare->import, mapping, ESPALIER_ERROR_SOURCE_TREE,
                                         "_default_to_infrequent_mappings[%" PRIu32
                                         "] does not fit its categories",
                                         column);
        }
        own->numbers[own->count + i] = (double)place;
        most = place > most ? place : most;
    }
    /* Rare categories share the last place. */
    for (uint32_t i = count; i-- > 0;) {
        *first_out = own->numbers[own->count + i] == (double)most ? i : *first_out;
    }
    return status;
}

static espalier_status check_width(const espalier_sklearn_prepare *prepare,
                                   const espalier_pickle_value *object,
                                   const espalier_sklearn_table *in)
{
    const espalier_pickle_value *categories = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, "categories_", true, &categories);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (in->sparse || espalier_pickle_item_count(categories) != in->count) {
        return espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "categories_ is not one array for each of %" PRIu32
                                     " dense columns",
                                     in->count);
    }
    return status;
}

/* Whether None is a category of a column: what is missing there is that. */
static bool knows_none(const espalier_sklearn_prepare *prepare, const espalier_pickle_value *object,
                       uint32_t column)
{
    const espalier_pickle_value *categories = NULL;
    (void)find_element(prepare, object, "categories_", column, &categories);
    const espalier_pickle_array *const array =
        categories != NULL ? espalier_pickle_get_array(categories) : NULL;
    const espalier_pickle_value *const last =
        array != NULL && array->form->element_count > 0
            ? espalier_pickle_array_item(array, array->form->element_count - 1)
            : NULL;
    return last != NULL && espalier_pickle_kind_of(last) == ESPALIER_PICKLE_NONE;
}

/* Infinite values are refused, and NaN where the version does that. */
static espalier_status refuse_input(espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object,
                                    const espalier_sklearn_table *in, bool missing)
{
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        const espalier_sklearn_table one = {.values = &in->values[i], .count = 1};
        status =
            espalier_sklearn_refuse_values(prepare, &one,
                                           missing && !knows_none(prepare, object, i), true, 0);
    }
    return status;
}

/* ---- OrdinalEncoder ------------------------------------------------------------------------- */

/* The place of the missing category in a column, which is never put together with rare ones. */
static espalier_status find_missing(espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object, uint32_t column,
                                    uint32_t *place_out)
{
    const espalier_pickle_value *places = NULL;
    espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, "_missing_indices", false, &places);
    *place_out = UINT32_MAX;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_spend(prepare, espalier_pickle_pair_count(places));
    }
    for (size_t i = 0; i < espalier_pickle_pair_count(places) && status == ESPALIER_OK; i++) {
        int64_t key = -1;
        int64_t place = -1;
        if (espalier_pickle_get_int64(espalier_pickle_pair_key(places, i), &key) && key == column &&
            espalier_pickle_get_int64(espalier_pickle_pair_value(places, i), &place) &&
            place >= 0) {
            *place_out = (uint32_t)place;
        }
    }
    return status;
}

static espalier_status read_number(const espalier_sklearn_prepare *prepare,
                                   const espalier_pickle_value *object, const char *name,
                                   double *number)
{
    const espalier_pickle_value *value = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, name, false, &value);
    if (status != ESPALIER_OK || value == NULL ||
        espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE) {
        return status;
    }
    return espalier_pickle_get_double(value, number)
               ? status
               : espalier_sklearn_fail(&prepare->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "%s is no number", name);
}

static espalier_status read_ordinal(espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object, uint32_t column,
                                    uint32_t value, encoding *own)
{
    double missing = NAN;
    double unknown = -1.0;
    uint32_t rare = 0;
    uint32_t missing_place = UINT32_MAX;
    espalier_status status = read_keys(prepare, object, column, value, own);
    if (status == ESPALIER_OK) {
        status = find_missing(prepare, object, column, &missing_place);
    }
    if (status == ESPALIER_OK) {
        const bool apart = own->count > 0 && missing_place == own->count - 1;
        status = group_rare(prepare, object, column, own->count - (apart ? 1 : 0), own, &rare);
    }
    if (status == ESPALIER_OK) {
        status = read_number(prepare, object, "encoded_missing_value", &missing);
    }
    if (status == ESPALIER_OK) {
        status = read_number(prepare, object, "unknown_value", &unknown);
    }
    if (status == ESPALIER_OK) {
        own->refuses =
            !espalier_sklearn_has_text(prepare, object, "handle_unknown", "use_encoded_value");
        own->numbers[2 * (size_t)own->count] = own->refuses ? -1.0 : unknown;
        if (missing_place < own->count) {
            own->numbers[own->count + missing_place] = missing;
        }
    }
    return status;
}

/* Places that the dtype does not hold come out as others, or not at all. */
static espalier_status check_places(const espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object,
                                    const espalier_sklearn_table *out, const encoding *own)
{
    static const struct {
        const char *name;
        double least;
        double most;
    } ranges[] = {
        [ESPALIER_SKLEARN_BOOL] = {"bool", 0.0, 1.0},
        [ESPALIER_SKLEARN_INTEGER] = {"int32 or int64", -0x1p31, 0x1p31 - 1.0},
        [ESPALIER_SKLEARN_UNSIGNED] = {"uint32 or uint64", 0.0, 0x1p32 - 1.0},
        [ESPALIER_SKLEARN_SMALL] = {"int8 or int16", -128.0, 127.0},
        [ESPALIER_SKLEARN_UINT8] = {"uint8", 0.0, 255.0},
        [ESPALIER_SKLEARN_UINT16] = {"uint16", 0.0, 65535.0},
    };
    const uint32_t end = 2 * own->count + (own->refuses ? 0 : 1);
    if (out->narrow == ESPALIER_SKLEARN_FLOAT32 || out->narrow == ESPALIER_SKLEARN_FLOAT64) {
        return ESPALIER_OK;
    }
    for (uint32_t i = own->count; i < end; i++) {
        const double place = own->numbers[i];
        if (!(place >= ranges[out->narrow].least && place <= ranges[out->narrow].most)) {
            return espalier_sklearn_fail(
                &prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                "an OrdinalEncoder's %s of %g in %s is not converted, which takes %g to %g; "
                "another dtype is",
                i == 2 * own->count ? "unknown_value" : "place", place, ranges[out->narrow].name,
                ranges[out->narrow].least, ranges[out->narrow].most);
        }
    }
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_apply_ordinal(espalier_sklearn_prepare *prepare,
                                               const espalier_pickle_value *object,
                                               const espalier_sklearn_table *in,
                                               espalier_sklearn_table *out)
{
    out->narrow = ESPALIER_SKLEARN_FLOAT64;
    espalier_status status = check_width(prepare, object, in);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_read_dtype(prepare, object, "dtype", &out->narrow);
    }
    out->wide = out->narrow;
    if (status == ESPALIER_OK) {
        const bool missing = !espalier_sklearn_version_from(prepare->version, 1, 0);
        status = refuse_input(prepare, object, in, missing);
    }
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        encoding own = {0};
        uint32_t value = in->values[i];
        status = read_ordinal(prepare, object, i, value, &own);
        if (status == ESPALIER_OK) {
            status = check_places(prepare, object, out, &own);
        }
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_sort_keys(prepare, object, own.numbers, &own.count);
        }
        if (status == ESPALIER_OK) {
            status =
                espalier_sklearn_operate(prepare, ESPALIER_PREPARE_INDEX,
                                         espalier_sklearn_rounding(out) |
                                             (own.refuses ? ESPALIER_PREPARE_REFUSE_UNKNOWN : 0),
                                         own.numbers, 2 * own.count + 1, 0, &value);
        }
        free(own.numbers);
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_table_add(prepare, out, value);
        }
    }
    return status;
}

/* ---- OneHotEncoder -------------------------------------------------------------------------- */

/* The place that is dropped in a column; -1: none. */
static espalier_status find_dropped(const espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object, uint32_t column,
                                    const encoding *own, double *place_out)
{
    const espalier_pickle_value *places = NULL;
    int64_t place = -1;
    espalier_status status = espalier_sklearn_attribute(&prepare->import, object,
                                                        "_drop_idx_after_grouping", false, &places);
    const bool grouped = places != NULL;
    *place_out = -1.0;
    if (status == ESPALIER_OK && !grouped) {
        status = espalier_sklearn_attribute(&prepare->import, object, "drop_idx_", false, &places);
    }
    const espalier_pickle_array *const array =
        places != NULL ? espalier_pickle_get_array(places) : NULL;
    if (status != ESPALIER_OK || array == NULL) {
        return status; /* None, or not there: nothing is dropped */
    }
    const espalier_pickle_value *const item = espalier_pickle_array_item(array, column);
    if (item != NULL && espalier_pickle_kind_of(item) == ESPALIER_PICKLE_NONE) {
        return status;
    }
    if (!espalier_pickle_array_int64(array, column, &place) || place < 0 || place >= own->count) {
        return espalier_sklearn_fail(&prepare->import, places, ESPALIER_ERROR_SOURCE_TREE,
                                     "the dropped category of column %" PRIu32 " is not there",
                                     column);
    }
    *place_out = grouped ? (double)place : own->numbers[own->count + place];
    return status;
}

/* The value of what is no key, before any place is dropped: -1, no column, unless the rare
 * categories take it. */
static double place_unknown(const espalier_sklearn_prepare *prepare,
                            const espalier_pickle_value *object, const encoding *own, uint32_t rare)
{
    const bool takes =
        espalier_sklearn_has_text(prepare, object, "handle_unknown", "infrequent_if_exist") ||
        espalier_sklearn_has_text(prepare, object, "handle_unknown", "warn");
    return takes && rare != UINT32_MAX ? own->numbers[own->count + rare] : -1.0;
}

/* *width_out: the columns that come of this one. */
static espalier_status read_one_hot(espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object, uint32_t column,
                                    uint32_t value, encoding *own, uint32_t *width_out)
{
    uint32_t rare = UINT32_MAX;
    double dropped = -1.0;
    espalier_status status = read_keys(prepare, object, column, value, own);
    if (status == ESPALIER_OK) {
        status = group_rare(prepare, object, column, own->count, own, &rare);
    }
    if (status == ESPALIER_OK) {
        status = find_dropped(prepare, object, column, own, &dropped);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    own->refuses = espalier_sklearn_has_text(prepare, object, "handle_unknown", "error");
    assert(own->numbers != NULL); /* read_keys made them */
    own->numbers[2 * (size_t)own->count] = place_unknown(prepare, object, own, rare);
    double most = -1.0;
    for (uint32_t i = own->count; i <= 2 * own->count; i++) {
        double *const place = &own->numbers[i];
        most = *place > most ? *place : most;
        *place = dropped < 0.0 || *place < dropped ? *place
                 : *place > dropped                ? *place - 1.0
                                                   : -1.0;
    }
    *width_out = (uint32_t)(most + 1.0) - (dropped >= 0.0 ? 1 : 0);
    return status;
}

/* Adds `width` columns, each 1 where the number of another is its own. */
static espalier_status spread_column(espalier_sklearn_prepare *prepare, uint32_t value,
                                     uint32_t width, espalier_sklearn_table *out)
{
    uint32_t first = 0;
    if (width == 0) {
        return ESPALIER_OK;
    }
    espalier_status status =
        espalier_preparation_add(prepare->preparation, ESPALIER_PREPARE_ONE_HOT, 0, value, width,
                                 NULL, &first);
    if (status != ESPALIER_OK) {
        return espalier_sklearn_fail(&prepare->import, NULL, status,
                                     "the pipeline has more columns than a model, or memory");
    }
    for (uint32_t i = 0; i < width && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_table_add(prepare, out, first + i);
    }
    return status;
}

espalier_status espalier_sklearn_apply_one_hot(espalier_sklearn_prepare *prepare,
                                               const espalier_pickle_value *object,
                                               const espalier_sklearn_table *in,
                                               espalier_sklearn_table *out)
{
    bool sparse = true;
    out->narrow = ESPALIER_SKLEARN_FLOAT64;
    espalier_status status = check_width(prepare, object, in);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_read_dtype(prepare, object, "dtype", &out->narrow);
    }
    if (status == ESPALIER_OK) {
        /* `sparse` may stand beside sparse_output as a deprecated text, from 1.2 to 1.3. */
        const bool newer = espalier_sklearn_is_set(&prepare->import, object, "sparse_output");
        status = espalier_sklearn_flag(prepare, object, newer ? "sparse_output" : "sparse", true,
                                       &sparse);
    }
    out->wide = out->narrow;
    out->sparse = sparse;
    if (status == ESPALIER_OK) {
        const bool missing = !espalier_sklearn_version_from(prepare->version, 0, 24);
        status = refuse_input(prepare, object, in, missing);
    }
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        encoding own = {0};
        uint32_t value = in->values[i];
        uint32_t width = 0;
        status = read_one_hot(prepare, object, i, value, &own, &width);
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_sort_keys(prepare, object, own.numbers, &own.count);
        }
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_operate(prepare, ESPALIER_PREPARE_INDEX,
                                              own.refuses ? ESPALIER_PREPARE_REFUSE_UNKNOWN : 0,
                                              own.numbers, 2 * own.count + 1, 0, &value);
        }
        free(own.numbers);
        if (status == ESPALIER_OK) {
            status = spread_column(prepare, value, width, out);
        }
    }
    return status;
}

/* ---- KBinsDiscretizer ----------------------------------------------------------------------- */

/* The bin of a column; *count_out: how many there are. */
static espalier_status bin_column(espalier_sklearn_prepare *prepare,
                                  const espalier_pickle_value *object, uint32_t column,
                                  uint32_t rounding, uint32_t *value, uint32_t *count_out)
{
    /* Up to 1.0 every value is moved up a little, so that it is not just below an edge. */
    static const double nudge[2] = {1e-8, 1e-5};
    const espalier_pickle_value *edges = NULL;
    void *numbers = NULL;
    espalier_status status = find_element(prepare, object, "bin_edges_", column, &edges);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_array *const array =
        edges != NULL ? espalier_pickle_get_array(edges) : NULL;
    if (array == NULL || array->form->dim_count != 1 || array->form->element_count == 0 ||
        array->form->element_count > ESPALIER_LIMIT_PREPARED) {
        return espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "bin_edges_[%" PRIu32 "] is no array of numbers", column);
    }
    /* One edge alone, where all quantiles are the same: one bin, as with two. Up to 1.0 that is the
     * bin -1: what comes out is cut to 0 first, and then to the number of bins, 0, less 1. */
    const bool older = !espalier_sklearn_version_from(prepare->version, 1, 1);
    const double only = older && array->form->element_count == 1 ? -1.0 : 0.0;
    const uint32_t inner =
        array->form->element_count > 2 ? (uint32_t)array->form->element_count - 2 : 0;
    *count_out = inner + 1;
    status = espalier_sklearn_allocate(&prepare->import, inner, sizeof(double), &numbers);
    double *const all = numbers;
    for (uint32_t i = 0; i < inner && status == ESPALIER_OK; i++) {
        if (!espalier_pickle_array_double(array, i + 1, &all[i]) || isnan(all[i]) ||
            (i > 0 && all[i - 1] > all[i])) {
            status = espalier_sklearn_fail(&prepare->import, edges, ESPALIER_ERROR_SOURCE_TREE,
                                           "bin_edges_[%" PRIu32 "] are not sorted", column);
        }
    }
    if (status == ESPALIER_OK && older) {
        status = espalier_sklearn_operate(prepare, ESPALIER_PREPARE_NUDGE, rounding, nudge, 2,
                                          rounding, value);
    }
    if (status == ESPALIER_OK && inner == 0) {
        const double bounds[2] = {only, only};
        status = espalier_sklearn_operate(prepare, ESPALIER_PREPARE_CLIP, 0, bounds, 2, 0, value);
    } else if (status == ESPALIER_OK) {
        status = espalier_sklearn_operate(prepare, ESPALIER_PREPARE_RANK, 0, all, inner, 0, value);
    }
    free(numbers);
    return status;
}

espalier_status espalier_sklearn_apply_bins(espalier_sklearn_prepare *prepare,
                                            const espalier_pickle_value *object,
                                            const espalier_sklearn_table *in,
                                            espalier_sklearn_table *out)
{
    const bool ordinal = espalier_sklearn_has_text(prepare, object, "encode", "ordinal");
    out->narrow = espalier_sklearn_as_float(in->narrow);
    out->wide = espalier_sklearn_as_float(in->wide);
    out->sparse = espalier_sklearn_has_text(prepare, object, "encode", "onehot");
    espalier_status status = espalier_sklearn_read_dtype(prepare, object, "dtype", &out->narrow);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_read_dtype(prepare, object, "dtype", &out->wide);
    }
    /* The cast to another dtype comes before all else. */
    const uint32_t rounding = espalier_sklearn_rounding(out);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_refuse_values(prepare, in, true, true, rounding);
    }
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        uint32_t value = in->values[i];
        uint32_t width = 0;
        if (rounding != espalier_sklearn_rounding(in)) {
            status = espalier_sklearn_operate(prepare, ESPALIER_PREPARE_COPY, rounding, NULL, 0, 0,
                                              &value);
        }
        if (status == ESPALIER_OK) {
            status = bin_column(prepare, object, i, rounding, &value, &width);
        }
        if (status == ESPALIER_OK) {
            status = ordinal ? espalier_sklearn_table_add(prepare, out, value)
                             : spread_column(prepare, value, width, out);
        }
    }
    /* Before 0.24 its one-hot encoder gave float64 whatever came in. */
    if (!ordinal && !espalier_sklearn_version_from(prepare->version, 0, 24)) {
        out->narrow = ESPALIER_SKLEARN_FLOAT64;
        out->wide = ESPALIER_SKLEARN_FLOAT64;
    }
    return status;
}
