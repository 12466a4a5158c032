// SPDX-License-Identifier: Apache-2.0
/*
 * What a model makes of a row before its trees: the operations of pipelines, and features that are
 * text. Includes info.h, espalier_inspect.h and libc.
 */
#include "espalier_inspect.h"
#include "info.h"

#include <inttypes.h>

enum {
    /* A value's operation is searched for: in a file that nobody checked all of them could take
     * minutes. */
    VALUES_MAX = 16384,
    OPERATIONS_MAX = 32, /* kinds of them; there are 20 */
    SHOWN_MAX = 12
};

typedef struct operation_count {
    const char *name; /* a constant string of the library's */
    uint32_t values;
} operation_count;

typedef struct prepared {
    uint32_t made; /* values beside the features */
    bool is_listed;
    operation_count operations[OPERATIONS_MAX];
    uint32_t operation_count;
} prepared;

static void count_value(prepared *p, const char *name)
{
    uint32_t i = 0;
    while (i < p->operation_count && p->operations[i].name != name) {
        i++;
    }
    if (i == OPERATIONS_MAX) {
        return;
    }
    if (i == p->operation_count) {
        p->operations[p->operation_count++] = (operation_count){name, 0};
    }
    p->operations[i].values++;
}

/* In the order in which rows go through them. */
static prepared count_values(const espalier_model *model, const espalier_model_info *info)
{
    const uint32_t count = espalier_model_value_count(model);
    prepared p = {.made = count - info->feature_count, .is_listed = count <= VALUES_MAX};
    for (uint32_t i = info->feature_count; p.is_listed && i < count; i++) {
        espalier_value_info value;
        if (espalier_model_value(model, i, &value) == ESPALIER_OK) {
            count_value(&p, value.operation);
        }
    }
    return p;
}

/* Features whose categories are text; *first_out, [SHOWN_MAX], the first of them. */
static uint32_t count_text(const espalier_model *model, const espalier_model_info *info,
                           uint32_t *first_out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < info->feature_count; i++) {
        if (espalier_model_category_count(model, i) > 0) {
            if (count < SHOWN_MAX) {
                first_out[count] = i;
            }
            count++;
        }
    }
    return count;
}

static void print_text_features(const espalier_model *model, const espalier_model_info *info)
{
    char text[32];
    uint32_t first[SHOWN_MAX];
    const uint32_t count = count_text(model, info, first);
    if (count == 0) {
        return;
    }
    espalier_info_label("text");
    printf("%s feature%s", espalier_format_count(count, text), count == 1 ? "" : "s");
    for (uint32_t i = 0; i < count && i < SHOWN_MAX; i++) {
        const char *const name = espalier_model_feature_name(model, first[i]);
        fputs(i == 0 ? ": " : ", ", stdout);
        if (name != NULL) {
            espalier_print_text(stdout, name);
        } else {
            printf("x[%" PRIu32 "]", first[i]);
        }
        printf(" (%s)",
               espalier_format_count(espalier_model_category_count(model, first[i]), text));
    }
    puts(count > SHOWN_MAX ? ", ..." : "");
}

void espalier_info_print_prepared(const espalier_model *model, const espalier_model_info *info)
{
    char text[32];
    const prepared p = count_values(model, info);
    print_text_features(model, info);
    if (p.made == 0) {
        return;
    }
    espalier_info_label("prepared");
    printf("%s value%s", espalier_format_count(p.made, text), p.made == 1 ? "" : "s");
    for (uint32_t i = 0; i < p.operation_count; i++) {
        printf("%s%s (%s)", i == 0 ? ": " : ", ", p.operations[i].name,
               espalier_format_count(p.operations[i].values, text));
    }
    putchar('\n');
}

json_t *espalier_info_prepared(const espalier_model *model, const espalier_model_info *info)
{
    const prepared p = count_values(model, info);
    json_t *const object = json_object();
    json_t *const operations = p.is_listed ? json_object() : json_null();
    uint32_t first[SHOWN_MAX];
    for (uint32_t i = 0; i < p.operation_count; i++) {
        json_object_set_new(operations, p.operations[i].name,
                            json_integer((json_int_t)p.operations[i].values));
    }
    json_object_set_new(object, "values", json_integer((json_int_t)p.made));
    json_object_set_new(object, "operations", operations);
    json_object_set_new(object, "text_features",
                        json_integer((json_int_t)count_text(model, info, first)));
    return object;
}
