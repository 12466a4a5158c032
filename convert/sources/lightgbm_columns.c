// SPDX-License-Identifier: Apache-2.0
/*
 * Which columns the lists of a LightGBM model's line pandas_categorical are of. Lists come in the
 * columns' order, those of ordered categories among them, which LightGBM takes for numbers; named
 * are only columns that it takes for categories, and its caller may have named others. Of every
 * column feature_infos has what it held at training, and a column of places held whole numbers from
 * 0 to less than its list is long. See lightgbm_internal.h.
 */
#include "convert/sources/lightgbm_internal.h"

#include <stdlib.h>
#include <string.h>

/* What a column had that has no places. */
#define NEVER INT64_MAX

/* Looks at columns that one conversion may take where lists of numbers may be of many of them: of
 * every list each column from its first to its last is one. Lists of text need none. */
#define LOOKS_MAX (UINT64_C(1) << 28)

typedef enum column_kind {
    COLUMN_OTHER,
    COLUMN_CATEGORIES, /* "2:0:1" */
    COLUMN_FROM_ZERO   /* "[0:3]" */
} column_kind;

/* What is known of the columns, [feature_count] each. Of one that was constant, or missing
 * throughout, or not to be split in the eyes of its pre-filter, LightGBM writes "none" alone. */
typedef struct known_columns {
    int64_t *largest; /* place; -1: not known; NEVER */
    uint8_t *kinds;
    const uint8_t *tested; /* not 0 where a tree asks for the column */
    uint32_t count;
} known_columns;

/* ---- what a column held --------------------------------------------------------------------- */

/* A list of categories, "2:0:1"; false: it is none. */
static bool read_categories(const espalier_text_slice *word, int64_t *largest_out)
{
    *largest_out = -1;
    for (size_t at = 0; at < word->bytes;) {
        const size_t start = at;
        int64_t category = 0;
        while (at < word->bytes && word->text[at] != ':') {
            at++;
        }
        if (!espalier_decimal_to_int64(word->text + start, at - start, &category)) {
            return false;
        }
        *largest_out = category > *largest_out ? category : *largest_out;
        at++;
    }
    return word->bytes > 0;
}

/* A range of whole numbers, "[0:3]"; false: it is none. */
static bool read_range(const espalier_text_slice *word, int64_t *least_out, int64_t *largest_out)
{
    const char *const middle = memchr(word->text, ':', word->bytes);
    if (middle == NULL || word->bytes < 5 || word->text[word->bytes - 1] != ']') {
        return false;
    }
    const size_t least_bytes = (size_t)(middle - word->text) - 1;
    return espalier_decimal_to_int64(word->text + 1, least_bytes, least_out) &&
           espalier_decimal_to_int64(middle + 1, word->bytes - least_bytes - 3, largest_out);
}

/* What is neither may have been anything. */
static void read_column(const espalier_text_slice *word, known_columns *columns, uint32_t feature)
{
    int64_t least = 0;
    int64_t largest = -1;
    column_kind kind = COLUMN_OTHER;
    if (word->text[0] == '[') {
        const bool whole = read_range(word, &least, &largest) && least >= 0;
        kind = whole && least == 0 ? COLUMN_FROM_ZERO : COLUMN_OTHER;
        largest = whole ? largest : NEVER;
    } else if (read_categories(word, &largest)) {
        kind = COLUMN_CATEGORIES;
    } else {
        largest = -1;
    }
    columns->largest[feature] = largest;
    columns->kinds[feature] = (uint8_t)kind;
}

static espalier_status read_columns(espalier_lightgbm_import *import, known_columns *columns)
{
    void *largest = NULL;
    void *kinds = NULL;
    columns->count = import->forest->feature_count;
    espalier_status status =
        espalier_lightgbm_allocate(import, columns->count, sizeof *columns->largest, &largest);
    columns->largest = largest;
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_allocate(import, columns->count, 1, &kinds);
        columns->kinds = kinds;
    }
    espalier_text_slice rest = import->header.feature_infos;
    espalier_text_slice word;
    for (uint32_t i = 0; status == ESPALIER_OK && espalier_text_word(&rest, &word); i++) {
        read_column(&word, columns, i);
    }
    return status;
}

/* ---- by names ------------------------------------------------------------------------------- */

/* The features that the parameters call categories, "1,4,5", to be freed. */
static espalier_status copy_features(espalier_lightgbm_import *import, char **features_out)
{
    static const char *const keys[] = {"[categorical_feature: ", "[categorical_column: "};
    const espalier_text_slice *const line = &import->categorical_line;
    for (size_t i = 0; i < 2; i++) {
        const size_t start = strlen(keys[i]);
        if (line->bytes > start && memcmp(line->text, keys[i], start) == 0) {
            const espalier_text_slice value = {line->text + start, line->bytes - start - 1,
                                               line->offset + start, line->line};
            return espalier_lightgbm_copy_text(import, &value, features_out);
        }
    }
    return ESPALIER_OK;
}

/* The next number of such a list; false: there is none. */
static bool next_feature(const char **rest, uint32_t feature_count, uint32_t *feature_out)
{
    char *end = NULL;
    if (**rest < '0' || **rest > '9') {
        return false;
    }
    const unsigned long long number = strtoull(*rest, &end, 10);
    *rest = *end == ',' ? end + 1 : end;
    *feature_out = (uint32_t)number;
    return number < feature_count;
}

/* The features that the parameters name, as many as lists, ascending. */
static bool take_named(const char *rest, uint32_t feature_count, espalier_lightgbm_list *lists,
                       uint32_t count)
{
    uint32_t least = 0;
    bool good = true;
    for (uint32_t i = 0; i < count && good; i++) {
        good = next_feature(&rest, feature_count, &lists[i].first) && lists[i].first >= least;
        least = lists[i].first + 1;
    }
    return good && *rest == '\0';
}

/* The features with categories, as many as lists. */
static bool take_categorical(const known_columns *columns, espalier_lightgbm_list *lists,
                             uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < columns->count; i++) {
        if (columns->kinds[i] == COLUMN_CATEGORIES) {
            if (found < count) {
                lists[found].first = i;
            }
            found++;
        }
    }
    return found == count;
}

static int compare_sizes(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* The size of the longest list that would mislead and whose column never had its last place, as far
 * as is known; of those alone that trees ask for, if asked_only; 0: there is none. */
static uint32_t longest_unfilled(const known_columns *columns, const espalier_lightgbm_list *lists,
                                 uint32_t count, bool asked_only)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t own = lists[i].first;
        const bool is_filled = columns->kinds[own] == COLUMN_CATEGORIES &&
                               columns->largest[own] == (int64_t)lists[i].size - 1;
        if (lists[i].misleads && !is_filled && lists[i].size > longest &&
            (columns->tested[own] != 0 || !asked_only)) {
            longest = lists[i].size;
        }
    }
    return longest;
}

/* Whether no feature has a category that its list has not, and no other looks like the places of a
 * list that would mislead: of that column its list may be. Where the list's own column has its last
 * place, others look so only if they have it too; where not, the last level of ordered categories
 * may be what nobody had, and all will do that fit. sizes: [count], to write in. */
static bool lists_agree(const known_columns *columns, const espalier_lightgbm_list *lists,
                        uint32_t count, uint32_t *sizes)
{
    uint32_t size_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (lists[i].misleads) {
            sizes[size_count++] = lists[i].size;
        }
    }
    qsort(sizes, size_count, sizeof *sizes, compare_sizes);
    const uint32_t unfilled = longest_unfilled(columns, lists, count, false);
    const uint32_t unfilled_asked = longest_unfilled(columns, lists, count, true);
    uint32_t next = 0;
    for (uint32_t i = 0; i < columns->count; i++) {
        const int64_t largest = columns->largest[i];
        const bool is_own = next < count && lists[next].first == i;
        const uint32_t size = largest < UINT32_MAX ? (uint32_t)(largest + 1) : 0;
        if (is_own && columns->kinds[i] == COLUMN_CATEGORIES &&
            largest >= (int64_t)lists[next].size) {
            return false;
        }
        if (!is_own && columns->kinds[i] == COLUMN_FROM_ZERO && size_count > 0 &&
            bsearch(&size, sizes, size_count, sizeof *sizes, compare_sizes) != NULL) {
            return false;
        }
        /* Where no tree asks for either column it does no harm. */
        const uint32_t doubtful = columns->tested[i] != 0 ? unfilled : unfilled_asked;
        if (!is_own && columns->kinds[i] != COLUMN_CATEGORIES && doubtful > 0 &&
            largest < (int64_t)doubtful) {
            return false;
        }
        next += is_own ? 1 : 0;
    }
    return true;
}

/* Lists are of the features that the parameters name (from LightGBM 3.0 on), else of those with
 * categories, if these are as many. */
static espalier_status find_by_name(espalier_lightgbm_import *import, const known_columns *columns,
                                    espalier_lightgbm_list *lists, uint32_t count, bool *found_out)
{
    char *named = NULL;
    void *sizes = NULL;
    espalier_status status = copy_features(import, &named);
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_allocate(import, count, sizeof(uint32_t), &sizes);
    }
    if (status == ESPALIER_OK) {
        const bool taken = named != NULL && *named != '\0'
                               ? take_named(named, columns->count, lists, count)
                               : take_categorical(columns, lists, count);
        *found_out = taken && lists_agree(columns, lists, count, sizes);
    }
    for (uint32_t i = 0; i < count; i++) {
        lists[i].last = lists[i].first;
    }
    free(sizes);
    free(named);
    return status;
}

/* ---- by what the caller says ----------------------------------------------------------------- */

/* LightGBM writes "_" for blanks in names. */
static bool is_named(const char *name, const espalier_text_slice *word)
{
    size_t at = 0;
    while (at < word->bytes &&
           (name[at] == word->text[at] || (name[at] == '_' && word->text[at] == ' '))) {
        at++;
    }
    return at == word->bytes && name[at] == '\0';
}

/* By its name in the file, or by its number; NO_FEATURE: there is none. */
static uint32_t find_feature(const espalier_forest *forest, const espalier_text_slice *word)
{
    int64_t number = 0;
    for (uint32_t i = 0; i < forest->feature_count; i++) {
        if (is_named(forest->feature_names[i], word)) {
            return i;
        }
    }
    return espalier_decimal_to_int64(word->text, word->bytes, &number) && number >= 0 &&
                   number < (int64_t)forest->feature_count
               ? (uint32_t)number
               : ESPALIER_LIGHTGBM_NO_FEATURE;
}

static espalier_status refuse_told(const espalier_lightgbm_import *import,
                                   const espalier_text_slice *word, const char *cause)
{
    return espalier_lightgbm_fail(import, &import->header.feature_infos, ESPALIER_ERROR_OPTIONS,
                                  "the columns of categories that the caller names: \"%.*s\" %s",
                                  espalier_lightgbm_shown(word), word->text, cause);
}

/* The column of the next list, behind the one before. */
static espalier_status take_told(const espalier_lightgbm_import *import,
                                 const known_columns *columns, const espalier_text_slice *word,
                                 uint32_t least, espalier_lightgbm_list *list)
{
    const uint32_t feature = find_feature(import->forest, word);
    if (feature == ESPALIER_LIGHTGBM_NO_FEATURE) {
        return refuse_told(import, word, "is no feature");
    }
    if (feature < least) {
        return refuse_told(import, word, "is named again, or out of the order of the columns");
    }
    if (columns->largest[feature] >= (int64_t)list->size) {
        return refuse_told(import, word, "held what is no place of its list of categories");
    }
    list->first = feature;
    list->last = feature;
    return ESPALIER_OK;
}

static espalier_status find_by_caller(const espalier_lightgbm_import *import,
                                      const known_columns *columns, espalier_lightgbm_list *lists,
                                      uint32_t count)
{
    const char *rest = import->input->categorical->columns;
    const espalier_text_slice all = {.text = rest, .bytes = strlen(rest)};
    uint32_t found = 0;
    for (bool more = *rest != '\0'; more;) {
        const espalier_text_slice word = {.text = rest, .bytes = strcspn(rest, ",")};
        if (found == count) {
            return refuse_told(import, &all, "are more than the file has lists of categories");
        }
        const espalier_status status =
            take_told(import, columns, &word, found > 0 ? lists[found - 1].first + 1 : 0,
                      &lists[found]);
        if (status != ESPALIER_OK) {
            return status;
        }
        found++;
        more = rest[word.bytes] == ',';
        rest += word.bytes + (more ? 1 : 0);
    }
    import->input->categorical->used = true;
    return found == count
               ? ESPALIER_OK
               : refuse_told(import, &all, "are fewer than the file has lists of categories");
}

/* ---- by what fits --------------------------------------------------------------------------- */

static bool fits(const known_columns *columns, uint32_t feature, const espalier_lightgbm_list *list)
{
    return columns->largest[feature] < (int64_t)list->size;
}

/* The first and the last feature that each list may be of, all others laid on columns before it and
 * behind it; false: they fit in no way. */
static bool find_by_fit(const known_columns *columns, espalier_lightgbm_list *lists, uint32_t count)
{
    uint32_t next = 0;
    for (uint32_t j = 0; j < count; j++) {
        while (next < columns->count && !fits(columns, next, &lists[j])) {
            next++;
        }
        if (next == columns->count) {
            return false;
        }
        lists[j].first = next++;
    }
    next = columns->count;
    for (uint32_t j = count; j-- > 0;) {
        do {
            next--; /* there is one: the first */
        } while (!fits(columns, next, &lists[j]));
        lists[j].last = next;
    }
    return true;
}

/* Whether it matters which of several features the list is of: text would mislead nobody. */
static bool is_doubtful(const espalier_lightgbm_list *list)
{
    return list->numbers && list->first < list->last;
}

/* Of lists that may be of several features. Refused before the first look if they are too many. */
static espalier_status find_doubts(const espalier_lightgbm_import *import,
                                   const known_columns *columns,
                                   const espalier_lightgbm_list *lists, uint32_t count,
                                   espalier_lightgbm_doubts *doubts)
{
    uint64_t looks = 0; /* count and each difference are below 2^32: so is the sum below 2^64 */
    for (uint32_t j = 0; j < count; j++) {
        looks += is_doubtful(&lists[j]) ? (uint64_t)lists[j].last - lists[j].first + 1 : 0;
    }
    if (looks > LOOKS_MAX) {
        return espalier_lightgbm_fail(import, &import->header.feature_infos,
                                      ESPALIER_ERROR_SOURCE_LIMIT,
                                      "too many features may have too many of the lists of "
                                      "pandas_categorical that hold numbers");
    }
    for (uint32_t j = 0; j < count; j++) {
        const espalier_lightgbm_list *const list = &lists[j];
        for (uint32_t i = list->first; is_doubtful(list) && i <= list->last; i++) {
            const bool may = fits(columns, i, list);
            doubts->numbers[i] |= may && list->numbers ? 1 : 0;
            if (list->misleads && may && doubts->tested[i] != 0) {
                doubts->feature = i;
                return ESPALIER_OK;
            }
        }
    }
    return ESPALIER_OK;
}

espalier_status espalier_lightgbm_find_columns(espalier_lightgbm_import *import,
                                               espalier_lightgbm_list *lists, uint32_t count,
                                               espalier_lightgbm_doubts *doubts)
{
    known_columns columns = {.tested = doubts->tested};
    bool found = false;
    doubts->feature = ESPALIER_LIGHTGBM_NO_FEATURE;
    espalier_status status = read_columns(import, &columns);
    if (status == ESPALIER_OK && import->input->categorical != NULL &&
        import->input->categorical->columns != NULL) {
        status = find_by_caller(import, &columns, lists, count);
        found = status == ESPALIER_OK;
    } else if (status == ESPALIER_OK) {
        status = find_by_name(import, &columns, lists, count, &found);
    }
    doubts->fits = found || (status == ESPALIER_OK && find_by_fit(&columns, lists, count));
    if (doubts->fits && !found) {
        status = find_doubts(import, &columns, lists, count, doubts);
    }
    free(columns.largest);
    free(columns.kinds);
    return status;
}
