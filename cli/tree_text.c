// SPDX-License-Identifier: Apache-2.0
/*
 * See tree_view.h: nodes, values and leaves in the user's words. Includes tree_view.h and libc.
 * What comes out is not escaped.
 */
#include "espalier_inspect.h"
#include "tree_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    NESTED_MAX = 8, /* operations of a value's name; what is inside more is "..." */
    ITEMS_MAX = 12, /* categories of a set */
    LEAF_VALUES_MAX = 6,
    TERMS_MAX = 6,      /* of a leaf that is a line */
    CATEGORY_BYTES = 60 /* of a category's name */
};

/* A text that is being built; the stream is NULL when there was no memory. */
typedef struct builder {
    char *text;
    size_t bytes;
    FILE *stream;
} builder;

static bool start(builder *b)
{
    *b = (builder){0};
    b->stream = open_memstream(&b->text, &b->bytes);
    return b->stream != NULL;
}

static char *end(builder *b)
{
    const bool ok = !ferror(b->stream);
    if (fclose(b->stream) != 0 || !ok) {
        free(b->text);
        return NULL;
    }
    return b->text;
}

static void put_real(const espalier_view *view, FILE *stream, double value)
{
    char text[32];
    fputs(espalier_format_real(value, view->is_float32, text), stream);
}

/* ---- categories that are text ---------------------------------------------------------------- */

/* The name of a category: cut when it is long, in quotes where a list of it could be misread. */
static void put_category(const espalier_view *view, FILE *stream, uint32_t feature,
                         uint32_t category)
{
    size_t bytes = 0;
    const char *const name = espalier_model_category(view->model, feature, category, &bytes);
    if (name == NULL) {
        fprintf(stream, "%" PRIu32, category);
        return;
    }
    const char *const quote = bytes == 0 || strcspn(name, " ,{}()\"") < bytes ? "\"" : "";
    size_t kept = bytes;
    if (bytes > CATEGORY_BYTES) {
        kept = CATEGORY_BYTES;
        while (kept > 0 && ((unsigned char)name[kept] & 0xC0u) == 0x80u) {
            kept--;
        }
    }
    fputs(quote, stream);
    fwrite(name, 1, kept, stream);
    fputs(kept < bytes ? "..." : "", stream);
    fputs(quote, stream);
}

/* A list of up to ITEMS_MAX things, and how many there were. */
typedef struct item_list {
    FILE *stream;
    uint64_t count;
} item_list;

/* Counts an item in; whether it is to be printed, behind a comma if it is not the first. */
static bool next_item(item_list *list)
{
    const bool is_shown = list->count < ITEMS_MAX;
    if (is_shown && list->count > 0) {
        fputs(", ", list->stream);
    }
    list->count++;
    return is_shown;
}

static void end_list(const item_list *list)
{
    if (list->count > ITEMS_MAX) {
        fprintf(list->stream, ", ... %" PRIu64 " more", list->count - ITEMS_MAX);
    }
    fputc('}', list->stream);
}

/* The category that a number stands for; false: there is none, or the feature takes numbers. */
static bool find_number_category(const espalier_view *view, uint32_t feature, double number,
                                 uint32_t *category_out)
{
    const uint32_t count = espalier_model_category_count(view->model, feature);
    if (!(number >= 0.0 && number < (double)count) || number != floor(number)) {
        return false;
    }
    *category_out = (uint32_t)number;
    return true;
}

/* ---- values ---------------------------------------------------------------------------------- */

static void put_feature(const espalier_view *view, FILE *stream, uint32_t feature)
{
    const char *const name = espalier_model_feature_name(view->model, feature);
    if (name != NULL && name[0] != '\0') {
        fputs(name, stream);
    } else {
        fprintf(stream, "x[%" PRIu32 "]", feature);
    }
}

/* What stands in front of and behind the name of the value that an operation reads. */
static void operation_frame(const espalier_value_info *value, char before[48], char after[96])
{
    static const struct {
        const char *operation, *before, *after, *turned; /* turned: with a number below 0 */
        bool has_number;
    } frames[] = {
        {"copy", "", "", NULL, false},       {"nudge", "", "", NULL, false},
        {"fill", "fill(", ")", NULL, false}, {"subtract", "(", " - ", " + ", true},
        {"add", "(", " + ", " - ", true},    {"multiply", "(", " * ", NULL, true},
        {"divide", "(", " / ", NULL, true},  {"above", "(", " > ", NULL, true},
    };
    const double number = value->number_count > 0 ? value->numbers[0] : 0.0;
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        if (strcmp(value->operation, frames[i].operation) == 0) {
            snprintf(before, 48, "%s", frames[i].before);
            snprintf(after, 96, "%s", frames[i].after);
            if (frames[i].has_number && signbit(number) && frames[i].turned != NULL) {
                snprintf(after, 96, "%s%.6g)", frames[i].turned, -number);
            } else if (frames[i].has_number) {
                snprintf(after, 96, "%s%.6g)", frames[i].after, number);
            }
            return;
        }
    }
    snprintf(before, 48, "%s(", value->operation);
    snprintf(after, 96, ")");
    if (strcmp(value->operation, "one_hot") == 0) {
        snprintf(before, 48, "(");
        snprintf(after, 96, " is category %" PRIu32 ")", value->place);
    } else if (strcmp(value->operation, "clip") == 0 && value->number_count == 2) {
        snprintf(after, 96, ", %.6g, %.6g)", value->numbers[0], value->numbers[1]);
    }
}

/* " is Oslo)": the category of a feature that a number stands for. */
static void name_category(const espalier_view *view, uint32_t feature, double number,
                          char after[96])
{
    builder b;
    char text[32];
    char *name = NULL;
    uint32_t category = 0;
    if (find_number_category(view, feature, number, &category) && start(&b)) {
        put_category(view, b.stream, feature, category);
        name = end(&b);
    }
    snprintf(after, 96, " is %s)", name != NULL ? name : espalier_format_real(number, false, text));
    free(name);
}

/* The category of a one-hot value, where it is the number that an encoder in front of it knows. */
static bool find_category(const espalier_view *view, uint32_t feature,
                          const espalier_value_info *one_hot, const espalier_value_info *index,
                          char after[96])
{
    const uint32_t key_count = index->number_count / 2;
    for (uint32_t i = 0; i < key_count; i++) {
        if (index->numbers[key_count + i] == (double)one_hot->place) {
            name_category(view, feature, index->numbers[i], after);
            return true;
        }
    }
    return false;
}

/* The frames of all operations, the outermost first, without parentheses around the whole; feature:
 * what they begin with. */
static void put_frames(const espalier_view *view, FILE *stream, uint32_t feature,
                       const espalier_value_info *values, uint32_t count, bool is_before)
{
    for (uint32_t k = 0; k < count; k++) {
        const uint32_t i = is_before ? k : count - 1 - k;
        char before[48];
        char after[96];
        if (i > 0 && strcmp(values[i - 1].operation, "one_hot") == 0 &&
            strcmp(values[i].operation, "index") == 0 &&
            find_category(view, feature, &values[i - 1], &values[i], after)) {
            continue; /* said by the operation around it */
        }
        operation_frame(&values[i], before, after);
        const bool is_one_hot = strcmp(values[i].operation, "one_hot") == 0;
        if (is_one_hot && i + 1 < count && strcmp(values[i + 1].operation, "index") == 0) {
            find_category(view, feature, &values[i], &values[i + 1], after);
        } else if (is_one_hot && i + 1 == count &&
                   espalier_model_category_count(view->model, feature) > 0) {
            name_category(view, feature, (double)values[i].place, after);
        }
        const size_t length = strlen(after);
        if (i == 0 && strcmp(before, "(") == 0 && length > 0) {
            before[0] = '\0';
            after[length - 1] = '\0';
        }
        fputs(is_before ? before : after, stream);
    }
}

char *espalier_view_value_name(const espalier_view *view, uint32_t value_index)
{
    espalier_value_info values[NESTED_MAX];
    uint32_t count = 0;
    builder b;
    uint32_t at = value_index;
    if (!start(&b)) {
        return NULL;
    }
    while (at >= view->info.feature_count && count < NESTED_MAX &&
           espalier_model_value(view->model, at, &values[count]) == ESPALIER_OK) {
        at = values[count++].input;
    }
    put_frames(view, b.stream, at, values, count, true);
    if (at < view->info.feature_count) {
        put_feature(view, b.stream, at);
    } else {
        fputs("...", b.stream);
    }
    put_frames(view, b.stream, at, values, count, false);
    return end(&b);
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* Values above `low` and up to `high`. */
typedef struct interval {
    double low, high;
} interval;

/* The whole numbers in an interval whose ends lie at whole numbers or just below; else as it is. */
static void put_interval(const espalier_view *view, FILE *stream, interval range)
{
    const double first = floor(range.low) + 1;
    const double last = floor(range.high);
    if (isinf(range.low)) {
        fputs("<= ", stream);
        put_real(view, stream, range.high);
    } else if (isinf(range.high)) {
        fputs("> ", stream);
        put_real(view, stream, range.low);
    } else if (first > last || fabs(first) > 1e15 || fabs(last) > 1e15) {
        fputs("above ", stream);
        put_real(view, stream, range.low);
        fputs(" to ", stream);
        put_real(view, stream, range.high);
    } else if (last - first < 1) {
        fprintf(stream, "%.0f", first);
    } else {
        fprintf(stream, last - first < 2 ? "%.0f, %.0f" : "%.0f-%.0f", first, last);
    }
}

/* The categories of an interval, by name. */
static void put_categories(const espalier_view *view, item_list *list, uint32_t feature,
                           interval range)
{
    const uint32_t count = espalier_model_category_count(view->model, feature);
    const double low = floor(range.low) + 1;
    const double high = floor(range.high);
    const uint32_t first = low > 0.0 ? low < (double)count ? (uint32_t)low : count : 0;
    const uint32_t end = high < (double)count ? high >= 0.0 ? (uint32_t)high + 1 : 0 : count;
    for (uint32_t i = first; i < end && i - first <= ITEMS_MAX; i++) {
        if (next_item(list)) {
            put_category(view, list->stream, feature, i);
        }
    }
    list->count += end > first && end - first > ITEMS_MAX + 1 ? end - first - ITEMS_MAX - 1 : 0;
    if (isinf(range.high) && range.high > 0 && next_item(list)) {
        fputs("others", list->stream);
    }
}

/* The intervals of values that go to one side. */
static void put_side(const espalier_view *view, const espalier_node *node, const double *cuts,
                     size_t count, int side, FILE *stream)
{
    item_list list = {stream, 0};
    size_t first = 0;
    bool is_inside = false;
    const bool is_named = espalier_model_category_count(view->model, node->feature) > 0;
    fputc('{', stream);
    for (size_t i = 0; i <= count + 1; i++) {
        const double value = i < count ? cuts[i] : (double)INFINITY;
        const bool here = i <= count && espalier_model_set_left(view->model, node, value) == side;
        if (here && !is_inside) {
            first = i;
        }
        if (!here && is_inside) {
            const interval range = {first == 0 ? -(double)INFINITY : cuts[first - 1],
                                    i <= count ? cuts[i - 1] : (double)INFINITY};
            if (is_named) {
                put_categories(view, &list, node->feature, range);
            } else if (next_item(&list)) {
                put_interval(view, stream, range);
            }
        }
        is_inside = here;
    }
    end_list(&list);
}

/* Behind the threshold of a feature whose categories are text, or of an encoder's numbers of them:
 * the names of what goes to yes. */
static void put_names_below(const espalier_view *view, const espalier_node *node, FILE *stream)
{
    item_list list = {stream, 0};
    espalier_value_info value;
    if (node->threshold < 0.0 ||
        espalier_model_value(view->model, node->feature, &value) != ESPALIER_OK ||
        espalier_model_category_count(view->model, value.input) == 0) {
        return;
    }
    if (strcmp(value.operation, "") == 0) {
        fputs(" {", stream);
        put_categories(view, &list, node->feature, (interval){-1.0, node->threshold});
        end_list(&list);
    } else if (strcmp(value.operation, "index") == 0) {
        const espalier_view_key *keys = NULL;
        const uint32_t count =
            espalier_view_names_below(view->names, node->feature, node->threshold, &keys);
        if (keys == NULL) {
            fputs(" {...}", stream);
            return;
        }
        fputs(" {", stream);
        for (uint32_t i = 0; i < count && next_item(&list); i++) {
            put_category(view, stream, value.input, keys[i].category);
        }
        list.count = count;
        end_list(&list);
    }
}

static void put_set(const espalier_view *view, const espalier_node *node, bool *is_not,
                    FILE *stream)
{
    const size_t count = espalier_model_set_cuts(view->model, node, NULL, 0);
    double *const cuts = malloc((count + 1) * sizeof *cuts);
    if (cuts == NULL) {
        fputs("{...}", stream);
        return;
    }
    espalier_model_set_cuts(view->model, node, cuts, count);
    /* The side without all that is beyond the categories is the one that training listed. */
    const int beyond = espalier_model_set_left(view->model, node, (double)INFINITY);
    *is_not = beyond != 0;
    put_side(view, node, cuts, count, beyond == 0, stream);
    free(cuts);
}

/* ---- nodes and leaves ------------------------------------------------------------------------ */

char *espalier_view_bound(const espalier_view *view, const espalier_node *node, bool *is_not)
{
    builder b;
    *is_not = false;
    if (!start(&b)) {
        return NULL;
    }
    if (node->is_set != 0) {
        put_set(view, node, is_not, b.stream);
    } else if (node->feature != ESPALIER_FEATURE_NONE) {
        put_real(view, b.stream, node->threshold);
        put_names_below(view, node, b.stream);
    }
    return end(&b);
}

char *espalier_view_test(const espalier_view *view, const espalier_node *node)
{
    builder b;
    bool is_not = false;
    if (node->feature == ESPALIER_FEATURE_NONE) {
        return strdup("");
    }
    char *const name = espalier_view_value_name(view, node->feature);
    char *const bound = espalier_view_bound(view, node, &is_not);
    char *text = NULL;
    if (name != NULL && bound != NULL && start(&b)) {
        fprintf(b.stream, "%s %s %s", name,
                node->is_set == 0 ? "<="
                : is_not          ? "not in"
                                  : "in",
                bound);
        text = end(&b);
    }
    free(name);
    free(bound);
    return text;
}

const char *espalier_view_missing(const espalier_view *view, const espalier_node *node)
{
    if (node->feature == ESPALIER_FEATURE_NONE || view->info.missing_allowed == 0 ||
        node->missing == ESPALIER_MISSING_NEVER) {
        return "";
    }
    return node->missing == ESPALIER_MISSING_ZERO ? "missing or zero" : "missing";
}

/* A leaf that is a line: "0.52 + 0.0123 * age - 3.4 * height". False: it is none. */
static bool put_line(const espalier_view *view, const espalier_tree_view *tree,
                     const espalier_node *node, FILE *stream)
{
    espalier_linear_leaf line;
    espalier_linear_term terms[TERMS_MAX];
    if (espalier_model_linear_leaf(view->model, tree->tree_index, node->leaf_index, &line, terms,
                                   TERMS_MAX) == 0) {
        return false;
    }
    fprintf(stream, "%.6g", line.constant);
    for (uint32_t i = 0; i < line.term_count && i < TERMS_MAX; i++) {
        char *const name = terms[i].feature != ESPALIER_FEATURE_NONE
                               ? espalier_view_value_name(view, terms[i].feature)
                               : NULL;
        const bool is_plain = name == NULL || strchr(name, ' ') == NULL;
        fprintf(stream, " %c %.6g * %s%s%s", signbit(terms[i].coefficient) ? '-' : '+',
                fabs(terms[i].coefficient), is_plain ? "" : "(", name != NULL ? name : "?",
                is_plain ? "" : ")");
        free(name);
    }
    if (line.term_count > TERMS_MAX) {
        fprintf(stream, " + ... %" PRIu32 " more", line.term_count - TERMS_MAX);
    }
    if (line.term_count > 0 && view->info.missing_allowed != 0) {
        fprintf(stream, " (%.6g where one is missing)", line.missing_value);
    }
    return true;
}

char *espalier_view_leaf(const espalier_view *view, const espalier_tree_view *tree,
                         const espalier_node *node)
{
    builder b;
    const uint32_t width = tree->info.leaf_width;
    double *const values = malloc(((size_t)width + 1) * sizeof *values);
    if (values == NULL || !start(&b)) {
        free(values);
        return NULL;
    }
    if (put_line(view, tree, node, b.stream)) {
        free(values);
        return end(&b);
    }
    const bool known = espalier_model_leaf(view->model, tree->info.part_index, node->leaf_index,
                                           values, width) == ESPALIER_OK;
    const bool is_float32 = view->sum_dtypes[tree->info.part_index] == ESPALIER_DTYPE_FLOAT32;
    const espalier_label_set *const set =
        view->labels.output_count == 1 && view->labels.sets[0].count == width ? view->labels.sets
                                                                              : NULL;
    uint32_t best = 0;
    for (uint32_t i = 1; known && i < width; i++) {
        best = values[i] > values[best] ? i : best;
    }
    if (known && set != NULL && width > 1) {
        fwrite(set->texts[best], 1, set->text_bytes[best], b.stream);
        fputs(" (", b.stream);
    }
    for (uint32_t i = 0; known && i < width && i < LEAF_VALUES_MAX; i++) {
        char text[32];
        fprintf(b.stream, "%s%s", i == 0 ? "" : ", ",
                espalier_format_real(values[i], is_float32, text));
    }
    if (width > LEAF_VALUES_MAX) {
        fprintf(b.stream, ", ... %" PRIu32 " more", width - LEAF_VALUES_MAX);
    }
    if (known && set != NULL && width > 1) {
        fputc(')', b.stream);
    }
    free(values);
    return end(&b);
}
