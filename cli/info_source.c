// SPDX-License-Identifier: Apache-2.0
/*
 * What is in a pickle or joblib file, without loading it. Includes info.h, espalier_convert.h and
 * libc. Every string comes from the file and is printed escaped.
 */
#include "espalier_convert.h"
#include "info.h"

#include <inttypes.h>
#include <string.h>

static const char *policy_name(uint32_t policy)
{
    switch (policy) {
    case ESPALIER_NAME_INTERPRETED:
        return "interpreted";
    case ESPALIER_NAME_OPAQUE:
        return "opaque";
    default:
        return "flagged";
    }
}

static void print_names(const espalier_source *source)
{
    const size_t count = espalier_source_name_count(source);
    size_t flagged_count = 0;
    char text[32];
    printf("\n  Loading it in Python would import or call %s name%s",
           espalier_format_count(count, text), count == 1 ? "" : "s");
    printf("%s\n", count > 0 ? " (byte offset, imports, calls):" : ".");
    for (size_t i = 0; i < count; i++) {
        espalier_source_name name;
        if (espalier_source_name_get(source, i, &name) != ESPALIER_OK) {
            continue;
        }
        const bool is_flagged = name.policy == ESPALIER_NAME_FLAGGED;
        flagged_count += is_flagged ? 1 : 0;
        printf("  %c %10" PRIu64 " %6" PRIu64 " %6" PRIu64 "  %-11s  ", is_flagged ? '*' : ' ',
               name.first_offset, name.import_count, name.call_count, policy_name(name.policy));
        espalier_print_text(stdout, name.module);
        putchar('.');
        espalier_print_text(stdout, name.name);
        putchar('\n');
        if (is_flagged && name.call_text != NULL) {
            fputs("               would run: ", stdout);
            espalier_print_text(stdout, name.call_text);
            putchar('\n');
        }
    }
    if (flagged_count > 0) {
        printf("\n  * %s name%s: do not load this file in Python.\n",
               espalier_format_count(flagged_count, text),
               flagged_count == 1 ? " that has no business in a model"
                                  : "s that have no business in a model");
    }
}

static void print_estimators(const espalier_source *source)
{
    const size_t count = espalier_source_estimator_count(source);
    if (count == 0) {
        espalier_info_label("models");
        puts("none found");
    }
    for (size_t i = 0; i < count; i++) {
        espalier_source_estimator estimator;
        if (espalier_source_estimator_get(source, i, &estimator) != ESPALIER_OK) {
            continue;
        }
        espalier_info_label(i == 0 ? "models" : "");
        espalier_print_text(stdout, estimator.class_name);
        if (estimator.version[0] != '\0') {
            fputs(", version ", stdout);
            espalier_print_text(stdout, estimator.version);
        }
        if (estimator.path[0] != '\0') {
            fputs(", --select '", stdout);
            espalier_print_text(stdout, estimator.path);
            putchar('\'');
        }
        puts(estimator.supported ? "" : " (not supported)");
    }
}

static void print_text(const char *path, const espalier_source *source)
{
    char text[32];
    const uint64_t bytes = espalier_source_bytes(source);
    const uint64_t expanded_bytes = espalier_source_expanded_bytes(source);
    const uint64_t trailing_bytes = espalier_source_trailing_bytes(source);
    espalier_print_text(stdout, path);
    putchar('\n');
    espalier_info_label("kind");
    espalier_print_text(stdout, espalier_source_format(source));
    putchar('\n');
    espalier_info_label("size");
    printf("%s bytes", espalier_format_count(bytes, text));
    if (expanded_bytes != bytes) {
        printf(", %s uncompressed", espalier_format_count(expanded_bytes, text));
    }
    if (trailing_bytes > 0) {
        printf(", %s after the end of the pickle", espalier_format_count(trailing_bytes, text));
    }
    putchar('\n');
    print_estimators(source);
    /* Only pickles name what is to be imported and called. */
    const char *const format = espalier_source_format(source);
    if (strncmp(format, "pickle", 6) == 0 || strncmp(format, "joblib", 6) == 0) {
        print_names(source);
    }
}

static json_t *make_names(const espalier_source *source)
{
    json_t *names = json_array();
    const size_t count = espalier_source_name_count(source);
    for (size_t i = 0; i < count; i++) {
        espalier_source_name name;
        if (espalier_source_name_get(source, i, &name) != ESPALIER_OK) {
            continue;
        }
        json_t *object = json_object();
        json_object_set_new(object, "module", espalier_json_string(name.module));
        json_object_set_new(object, "name", espalier_json_string(name.name));
        json_object_set_new(object, "first_offset", espalier_json_count(name.first_offset));
        json_object_set_new(object, "imports", espalier_json_count(name.import_count));
        json_object_set_new(object, "calls", espalier_json_count(name.call_count));
        json_object_set_new(object, "policy", json_string(policy_name(name.policy)));
        json_object_set_new(object, "would_run", espalier_json_string(name.call_text));
        json_array_append_new(names, object);
    }
    return names;
}

static json_t *make_estimators(const espalier_source *source)
{
    json_t *estimators = json_array();
    const size_t count = espalier_source_estimator_count(source);
    for (size_t i = 0; i < count; i++) {
        espalier_source_estimator estimator;
        if (espalier_source_estimator_get(source, i, &estimator) != ESPALIER_OK) {
            continue;
        }
        json_t *object = json_object();
        json_object_set_new(object, "select", espalier_json_string(estimator.path));
        json_object_set_new(object, "class", espalier_json_string(estimator.class_name));
        json_object_set_new(object, "version", espalier_json_string(estimator.version));
        json_object_set_new(object, "supported", json_boolean(estimator.supported));
        json_array_append_new(estimators, object);
    }
    return estimators;
}

static int print_json(const char *path, const espalier_source *source)
{
    json_t *object = json_object();
    json_object_set_new(object, "file", espalier_json_string(path));
    json_object_set_new(object, "kind", json_string("source"));
    json_object_set_new(object, "format", espalier_json_string(espalier_source_format(source)));
    json_object_set_new(object, "bytes", espalier_json_count(espalier_source_bytes(source)));
    json_object_set_new(object, "expanded_bytes",
                        espalier_json_count(espalier_source_expanded_bytes(source)));
    json_object_set_new(object, "trailing_bytes",
                        espalier_json_count(espalier_source_trailing_bytes(source)));
    json_object_set_new(object, "models", make_estimators(source));
    json_object_set_new(object, "names", make_names(source));
    return espalier_json_print(object);
}

int espalier_info_source(const char *path, bool is_json)
{
    espalier_source *source = NULL;
    espalier_error error = {0};
    const espalier_status status = espalier_source_open(path, NULL, &source, &error);
    if (status != ESPALIER_OK) {
        return espalier_fail_status(path, status, &error);
    }
    int code = ESPALIER_EXIT_DONE;
    if (is_json) {
        code = print_json(path, source);
    } else {
        print_text(path, source);
        if (!espalier_flush_output()) {
            code = ESPALIER_EXIT_INPUT;
        }
    }
    espalier_source_close(source);
    return code;
}
