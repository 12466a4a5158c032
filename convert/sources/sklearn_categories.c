// SPDX-License-Identifier: Apache-2.0
/*
 * See sklearn_categories.h and docs/semantics.md. A category that is in a node's bitset goes left,
 * another that training met goes right, and what it never met goes where missing values go.
 */
#include "convert/sources/sklearn_categories.h"

#include "convert/preparation.h"
#include "convert/sets.h"
#include "convert/sources/sklearn_prepare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define CATEGORIES_MAX 256u
#define WORD_BITS      32u

/* ---- which features ------------------------------------------------------------------------- */

/* is_categorical_ as an array of one truth a feature; NULL: no feature is categorical. */
static espalier_status find_mask(const espalier_sklearn_import *import,
                                 const espalier_pickle_array **array_out, uint32_t *count_out)
{
    const espalier_pickle_value *value = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "is_categorical_", false, &value);
    *array_out = NULL;
    *count_out = 0;
    if (status != ESPALIER_OK || value == NULL ||
        espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    const uint32_t feature_count = import->forest->feature_count;
    bool good = array != NULL && array->form->element_count == feature_count;
    for (uint32_t i = 0; good && i < feature_count; i++) {
        int64_t truth = 0;
        good = espalier_pickle_array_int64(array, i, &truth) && (truth == 0 || truth == 1);
        *count_out += (uint32_t)truth;
    }
    *array_out = good && *count_out > 0 ? array : NULL;
    return good ? ESPALIER_OK
                : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                        "is_categorical_ is no mask of %" PRIu32 " features",
                                        feature_count);
}

static bool mask_at(const espalier_pickle_array *mask, uint32_t feature)
{
    int64_t truth = 0;
    return espalier_pickle_array_int64(mask, feature, &truth) && truth != 0;
}

/* ---- known categories ----------------------------------------------------------------------- */

/* bin_thresholds_[feature] of the bin mapper: the categories themselves. */
static espalier_status read_known(const espalier_sklearn_import *import,
                                  const espalier_pickle_value *thresholds, uint32_t feature,
                                  espalier_sklearn_known *known)
{
    const espalier_pickle_value *const item = espalier_pickle_item(thresholds, feature);
    const espalier_pickle_array *const array = espalier_pickle_get_array(item);
    bool good = array != NULL && array->form->element_count <= CATEGORIES_MAX;
    for (uint64_t i = 0; good && i < array->form->element_count; i++) {
        double category = 0.0;
        good = espalier_pickle_array_double(array, i, &category) && category >= 0.0 &&
               category < (double)CATEGORIES_MAX;
        if (good) {
            const uint32_t bit = (uint32_t)category;
            known->words[bit / WORD_BITS] |= UINT32_C(1) << bit % WORD_BITS;
        }
    }
    return good ? ESPALIER_OK
                : espalier_sklearn_fail(import, item, ESPALIER_ERROR_SOURCE_TREE,
                                        "bin_thresholds_[%" PRIu32
                                        "] is no array of categories from 0 to 255",
                                        feature);
}

static espalier_status read_all_known(espalier_sklearn_import *import,
                                      espalier_sklearn_categories *categories, uint32_t count)
{
    const uint32_t feature_count = import->forest->feature_count;
    const espalier_pickle_value *mapper = NULL;
    const espalier_pickle_value *flags = NULL;
    const espalier_pickle_value *thresholds = NULL;
    void *known = NULL;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "_bin_mapper", true, &mapper);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, mapper, "is_categorical_", true, &flags);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, mapper, "bin_thresholds_", true, &thresholds);
    }
    if (status == ESPALIER_OK) {
        status =
            espalier_sklearn_allocate(import, feature_count, sizeof *categories->known, &known);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    categories->known = known;
    const espalier_pickle_array *const array = espalier_pickle_get_array(flags);
    if (array == NULL || array->form->element_count != feature_count ||
        espalier_pickle_item_count(thresholds) != feature_count) {
        return espalier_sklearn_fail(import, mapper, ESPALIER_ERROR_SOURCE_TREE,
                                     "the bin mapper does not have %" PRIu32 " features",
                                     feature_count);
    }
    uint32_t found = 0;
    for (uint32_t i = 0; i < feature_count && status == ESPALIER_OK; i++) {
        if (mask_at(array, i)) {
            found++;
            status = read_known(import, thresholds, i, &categories->known[i]);
        }
    }
    return status == ESPALIER_OK && found != count
               ? espalier_sklearn_fail(import, mapper, ESPALIER_ERROR_SOURCE_TREE,
                                       "%" PRIu32
                                       " features are categorical, in the bin mapper %" PRIu32,
                                       count, found)
               : status;
}

/* ---- the encoder ---------------------------------------------------------------------------- */

/* Text: strings and their codes are numbered alike. A missing value, None or NaN, is no category;
 * it comes last, and strings that the encoder never met are missing, too. */
static espalier_status read_strings(espalier_sklearn_import *import,
                                    const espalier_pickle_value *item,
                                    const espalier_pickle_array *array, uint32_t feature)
{
    espalier_forest *const forest = import->forest;
    espalier_forest_codes *const codes = &forest->codes[feature];
    const uint32_t count = (uint32_t)array->form->element_count;
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < count && status == ESPALIER_OK; i++) {
        char *text = NULL;
        size_t bytes = 0;
        uint32_t number = 0;
        if (i > 0 && i + 1 == count &&
            espalier_sklearn_is_missing(espalier_pickle_array_item(array, i))) {
            break;
        }
        status = espalier_sklearn_text(import, item, array, i, "category", &text, &bytes);
        if (status == ESPALIER_OK && espalier_categories_add(&forest->categories, feature, text,
                                                             bytes, &number) != ESPALIER_OK) {
            status = espalier_sklearn_fail(import, item, ESPALIER_ERROR_SOURCE_LIMIT,
                                           "the categories of text are more than a model has, or "
                                           "memory");
        } else if (status == ESPALIER_OK && number != i) {
            status = espalier_sklearn_fail(import, item, ESPALIER_ERROR_SOURCE_TREE,
                                           "a category stands twice");
        }
        free(text);
        codes->values[i] = (double)i;
        codes->count = i + 1;
    }
    espalier_category_list *const list = espalier_categories_of(&forest->categories, feature);
    if (list != NULL) {
        list->unknown = (double)NAN;
    }
    return status;
}

/* The numbers of a feature's categories. NaN, which comes last, is missing and no category. */
static espalier_status read_codes(espalier_sklearn_import *import,
                                  const espalier_pickle_value *item, uint32_t feature)
{
    const espalier_pickle_array *const array = espalier_pickle_get_array(item);
    espalier_forest_codes *const codes = &import->forest->codes[feature];
    void *values = NULL;
    if (array == NULL || array->form->element_count > CATEGORIES_MAX) {
        return espalier_sklearn_fail(import, item, ESPALIER_ERROR_SOURCE_TREE,
                                     "the categories of feature %" PRIu32
                                     " are no array of at most 256",
                                     feature);
    }
    const uint32_t count = (uint32_t)array->form->element_count;
    const espalier_status status =
        espalier_sklearn_allocate(import, count, sizeof *codes->values, &values);
    codes->values = values;
    if (status == ESPALIER_OK && espalier_sklearn_has_texts(array)) {
        return read_strings(import, item, array, feature);
    }
    for (uint32_t i = 0; status == ESPALIER_OK && i < count; i++) {
        if (!espalier_pickle_array_double(array, i, &codes->values[i])) {
            return espalier_sklearn_fail(import, item, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "the categories of feature %" PRIu32
                                         " are neither numbers nor text; a model trained on their "
                                         "codes (OrdinalEncoder) is converted",
                                         feature);
        }
        codes->count += !isnan(codes->values[i]) || i + 1 < count;
    }
    return status;
}

/* The OrdinalEncoder of _preprocessor, and its categories_. */
static espalier_status find_encoder(const espalier_sklearn_import *import,
                                    const espalier_pickle_value *preprocessor,
                                    const espalier_pickle_value **categories_out)
{
    const espalier_pickle_value *steps = NULL;
    bool truth = true;
    espalier_status status =
        espalier_sklearn_attribute(import, preprocessor, "transformers_", true, &steps);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_value *const encoder =
        espalier_pickle_item(espalier_pickle_item(steps, 0), 1);
    if (!espalier_pickle_is(encoder, "sklearn.preprocessing._encoders", "OrdinalEncoder")) {
        return espalier_sklearn_fail(import, preprocessor, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "_preprocessor does not begin with an OrdinalEncoder");
    }
    const espalier_pickle_value *infrequent = NULL;
    status = espalier_sklearn_attribute(import, encoder, "_infrequent_enabled", false, &infrequent);
    if (status == ESPALIER_OK && infrequent != NULL &&
        (!espalier_pickle_get_bool(infrequent, &truth) || truth)) {
        return espalier_sklearn_fail(import, encoder, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "the OrdinalEncoder groups infrequent categories");
    }
    return status == ESPALIER_OK
               ? espalier_sklearn_attribute(import, encoder, "categories_", true, categories_out)
               : status;
}

/* From 1.4 on trees see the categorical features first, as an encoder's codes, then the others. */
static espalier_status read_encoder(espalier_sklearn_import *import,
                                    espalier_sklearn_categories *categories,
                                    const espalier_pickle_array *mask, uint32_t count)
{
    espalier_forest *const forest = import->forest;
    const espalier_pickle_value *preprocessor = NULL;
    const espalier_pickle_value *lists = NULL;
    void *memory = NULL;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "_preprocessor", true, &preprocessor);
    if (status == ESPALIER_OK) {
        status = find_encoder(import, preprocessor, &lists);
    }
    if (status == ESPALIER_OK && espalier_pickle_item_count(lists) != count) {
        return espalier_sklearn_fail(import, lists, ESPALIER_ERROR_SOURCE_TREE,
                                     "the encoder has %zu features, not %" PRIu32,
                                     espalier_pickle_item_count(lists), count);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, forest->feature_count,
                                           sizeof *categories->feature_of, &memory);
        categories->feature_of = memory;
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, forest->feature_count, sizeof *forest->codes,
                                           &memory);
        forest->codes = memory;
        forest->code_count = status == ESPALIER_OK ? forest->feature_count : 0;
    }
    uint32_t encoded = 0;
    uint32_t next = count;
    for (uint32_t i = 0; i < forest->feature_count && status == ESPALIER_OK; i++) {
        if (mask_at(mask, i)) {
            status = read_codes(import, espalier_pickle_item(lists, encoded), i);
            categories->feature_of[encoded++] = i;
        } else {
            categories->feature_of[next++] = i;
        }
    }
    return status;
}

static bool is_text(const espalier_categories *categories, uint32_t feature)
{
    bool found = false;
    for (uint32_t i = 0; i < categories->count; i++) {
        found = found || categories->lists[i].feature == feature;
    }
    return found;
}

/* The encoder refuses infinities, trees do not. Text cannot be one. */
static espalier_status refuse_infinite(espalier_sklearn_import *import,
                                       const espalier_pickle_array *mask)
{
    espalier_forest *const forest = import->forest;
    espalier_preparation *const preparation = calloc(1, sizeof *preparation);
    espalier_status status = preparation != NULL ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
    if (preparation != NULL) {
        *preparation = (espalier_preparation){.feature_count = forest->feature_count,
                                              .value_count = forest->feature_count};
        forest->preparation = preparation;
    }
    for (uint32_t i = 0; i < forest->feature_count && status == ESPALIER_OK; i++) {
        if (mask_at(mask, i) && !is_text(&forest->categories, i)) {
            status = espalier_preparation_add(preparation, ESPALIER_PREPARE_CHECK,
                                              ESPALIER_PREPARE_REFUSE_INFINITE, i, 0, NULL, NULL);
        }
    }
    if (preparation != NULL && preparation->operation_count == 0) {
        espalier_preparation_free(preparation);
        free(preparation);
        forest->preparation = NULL;
    }
    return status == ESPALIER_OK
               ? status
               : espalier_sklearn_fail(import, import->estimator, status,
                                       "the categorical features pass a limit, or there is no "
                                       "memory");
}

espalier_status espalier_sklearn_open_categories(espalier_sklearn_import *import,
                                                 espalier_sklearn_categories *categories)
{
    const espalier_pickle_array *mask = NULL;
    uint32_t count = 0;
    *categories = (espalier_sklearn_categories){NULL, NULL};
    espalier_status status = find_mask(import, &mask, &count);
    const bool encodes = espalier_sklearn_is_set(import, import->estimator, "_preprocessor");
    if (status != ESPALIER_OK) {
        return status;
    }
    if (mask == NULL) {
        return !encodes ? ESPALIER_OK
                        : espalier_sklearn_fail(import, import->estimator,
                                                ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                                "there is a _preprocessor, and no categorical "
                                                "feature");
    }
    import->forest->category = espalier_sklearn_version_from(import->version, 1, 2)
                                   ? ESPALIER_FOREST_CATEGORY_8
                                   : ESPALIER_FOREST_CATEGORY_UINT8;
    status = read_all_known(import, categories, count);
    if (status == ESPALIER_OK && encodes) {
        status = read_encoder(import, categories, mask, count);
        status = status == ESPALIER_OK ? refuse_infinite(import, mask) : status;
    }
    return status;
}

void espalier_sklearn_close_categories(espalier_sklearn_categories *categories)
{
    free(categories->feature_of);
    free(categories->known);
    *categories = (espalier_sklearn_categories){NULL, NULL};
}

/* ---- nodes ---------------------------------------------------------------------------------- */

espalier_status espalier_sklearn_find_bitsets(const espalier_sklearn_import *import,
                                              const espalier_pickle_value *predictor,
                                              espalier_pickle_view *bitsets)
{
    const espalier_pickle_value *value = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(import, predictor, "raw_left_cat_bitsets", false, &value);
    *bitsets = (espalier_pickle_view){0};
    if (status != ESPALIER_OK || value == NULL) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    return array != NULL && array->form->dim_count == 2 && array->data != NULL &&
                   array->form->shape[1] == ESPALIER_SKLEARN_BITSET_WORDS &&
                   espalier_pickle_view_array(array, bitsets)
               ? ESPALIER_OK
               : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                       "raw_left_cat_bitsets is no array of rows of 8 words");
}

espalier_status espalier_sklearn_add_set(espalier_sklearn_import *import,
                                         const espalier_sklearn_categories *categories,
                                         const espalier_pickle_value *predictor,
                                         const espalier_pickle_view *bitsets, int64_t index,
                                         uint32_t tree_feature, uint64_t at)
{
    espalier_forest *const forest = import->forest;
    int64_t words[ESPALIER_SKLEARN_BITSET_WORDS];
    uint32_t members[CATEGORIES_MAX + 1]; /* one more that is not kept */
    uint32_t count = 0;
    if (categories->known == NULL || index < 0 ||
        (uint64_t)index >= bitsets->count / ESPALIER_SKLEARN_BITSET_WORDS ||
        !espalier_pickle_view_int64s(bitsets, (uint64_t)index * ESPALIER_SKLEARN_BITSET_WORDS,
                                     ESPALIER_SKLEARN_BITSET_WORDS, words)) {
        return espalier_sklearn_fail(import, predictor, ESPALIER_ERROR_SOURCE_TREE,
                                     "a categorical split has no bitset %" PRId64, index);
    }
    /* Unknown categories go where missing values go: with them left, the known others go right. */
    const bool missing_left = forest->missing_left[at] != 0;
    const espalier_sklearn_known *const known = &categories->known[tree_feature];
    /* Bits are left over from other features (seen in 1.9); no code of an encoder is theirs. */
    const uint32_t end =
        forest->codes != NULL ? forest->codes[forest->feature[at]].count : CATEGORIES_MAX;
    for (uint32_t i = 0; i < ESPALIER_SKLEARN_BITSET_WORDS; i++) {
        const uint32_t left = (uint32_t)words[i];
        const uint32_t right = known->words[i] & ~left;
        for (uint32_t word = missing_left ? right : left; word != 0; word &= word - 1) {
            const uint32_t category = i * WORD_BITS + (uint32_t)__builtin_ctz(word);
            members[count] = category;
            count += category < end;
        }
    }
    const espalier_forest_set set = {.feature = forest->feature[at],
                                     .members_left = !missing_left,
                                     .missing_left = missing_left};
    const uint64_t bytes = sizeof set + count * sizeof members[0];
    if (bytes * 2 > import->memory_left || !espalier_forest_reserve_sets(forest) ||
        espalier_forest_add_set(forest, &set, members, count) != ESPALIER_OK) {
        return espalier_sklearn_fail(import, NULL, ESPALIER_ERROR_SOURCE_LIMIT,
                                     "the sets of categories do not fit into %" PRIu64
                                     " bytes of working memory",
                                     import->memory_bytes_max);
    }
    import->memory_left -= bytes + bytes / 2;
    forest->set[at] = forest->set_count - 1;
    forest->threshold[at] = 0.0;
    forest->missing_left[at] = 0;
    return ESPALIER_OK;
}
