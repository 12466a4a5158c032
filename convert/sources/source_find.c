// SPDX-License-Identifier: Apache-2.0
/*
 * See source_find.h. Must never recurse: the walk keeps its own stack of bounded depth.
 */
#include "convert/sources/source_find.h"

#include "convert/sources/sklearn.h"
#include "format/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the walk ------------------------------------------------------------------------------- */

typedef struct find_frame {
    const espalier_pickle_value *value;
    size_t next;       /* the child to visit next */
    size_t path_bytes; /* of the value's own path */
} find_frame;

static size_t count_children(const espalier_pickle_value *value)
{
    const size_t pairs = espalier_pickle_pair_count(value);
    if (pairs > 0) {
        return pairs;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    if (array != NULL) {
        return array->items == NULL ? 0 : (size_t)array->form->element_count;
    }
    return espalier_pickle_kind_of(value) == ESPALIER_PICKLE_SET
               ? 0
               : espalier_pickle_item_count(value);
}

/* The child, and its step appended to *path. */
static const espalier_pickle_value *step_to_child(const espalier_pickle_value *value, size_t index,
                                                  espalier_source_path *path)
{
    if (espalier_pickle_pair_count(value) > 0) {
        espalier_source_path_pair(path, espalier_pickle_pair_key(value, index), index);
        return espalier_pickle_pair_value(value, index);
    }
    espalier_source_path_item(path, index);
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    return array != NULL ? espalier_pickle_array_item(array, index)
                         : espalier_pickle_item(value, index);
}

static bool holds_itself(const find_frame *frames, size_t depth, const espalier_pickle_value *value)
{
    for (size_t i = 0; i < depth; i++) {
        if (frames[i].value == value) {
            return true;
        }
    }
    return false;
}

/*
 * Enters a value: tells `found`, and pushes it when it may hold more. A container inside itself is
 * visited once. Of a search the model is told that it predicts with.
 */
static espalier_status enter_value(const espalier_pickle *pickle, find_frame *frames, size_t *depth,
                                   const espalier_pickle_value *value, espalier_source_path *path,
                                   espalier_source_found *found, void *context)
{
    const size_t path_bytes = path->bytes;
    const espalier_pickle_value *const model = espalier_sklearn_resolve(pickle, value, path);
    const espalier_source_class class = espalier_sklearn_classify(pickle, model);
    if (class != ESPALIER_SOURCE_OTHER) {
        const espalier_status status = found(context, model, class, path->text);
        espalier_source_path_cut(path, path_bytes);
        return status;
    }
    if (count_children(value) > 0 && !holds_itself(frames, *depth, value)) {
        frames[*depth] = (find_frame){value, 0, path->bytes};
        (*depth)++;
    }
    return ESPALIER_OK;
}

espalier_status espalier_source_find(const espalier_pickle *pickle,
                                     const espalier_pickle_value *start, espalier_source_path *path,
                                     espalier_source_found *found, void *context,
                                     espalier_error *error_out)
{
    find_frame frames[ESPALIER_SOURCE_PATH_STEPS_MAX];
    size_t depth = 0;
    espalier_pickle_visit visit;
    espalier_pickle_visit_start(pickle, ESPALIER_SOURCE_PATH_STEPS_MAX, &visit);
    const size_t start_bytes = path->bytes;
    espalier_status status = enter_value(pickle, frames, &depth, start, path, found, context);
    while (depth > 0 && status == ESPALIER_OK) {
        find_frame *const frame = &frames[depth - 1];
        espalier_source_path_cut(path, frame->path_bytes);
        if (frame->next == count_children(frame->value)) {
            depth--;
            if (depth > 0) {
                espalier_pickle_visit_leave(&visit);
            }
            continue;
        }
        const espalier_pickle_value *const child = step_to_child(frame->value, frame->next++, path);
        status = espalier_pickle_visit_enter(pickle, &visit, child, error_out);
        if (status == ESPALIER_OK && depth == ESPALIER_SOURCE_PATH_STEPS_MAX &&
            count_children(child) > 0) {
            status = espalier_pickle_fail(pickle, child, ESPALIER_ERROR_SOURCE_LIMIT, error_out,
                                          "nested deeper than %u while looking for a model; say "
                                          "where it is with select",
                                          ESPALIER_SOURCE_PATH_STEPS_MAX);
        }
        if (status != ESPALIER_OK) {
            break;
        }
        const size_t depth_before = depth;
        status = enter_value(pickle, frames, &depth, child, path, found, context);
        if (depth == depth_before) {
            espalier_pickle_visit_leave(&visit);
        }
    }
    espalier_source_path_cut(path, start_bytes);
    return status;
}

/* ---- the choice ----------------------------------------------------------------------------- */

#define CHOICE_PATHS_BYTES 320

typedef struct model_choice {
    const espalier_pickle *pickle;
    const espalier_pickle_value *model; /* the first that can be converted */
    espalier_source_path *path;         /* where it is */
    size_t model_count;                 /* distinct from the first */
    char paths[CHOICE_PATHS_BYTES];     /* of all that can be, for the message */
    const espalier_pickle_value *other; /* the first that cannot be */
    espalier_source_class other_class;
    espalier_source_path other_path;
} model_choice;

static void list_path(model_choice *choice, const char *path)
{
    const size_t bytes = strlen(choice->paths);
    const size_t left = sizeof choice->paths - bytes;
    const char *const separator = bytes == 0 ? "" : ", ";
    if (strlen(path) + 8 < left) {
        (void)snprintf(choice->paths + bytes, left, "%s%s", separator, path);
    } else if (left > 6 && (bytes < 3 || strcmp(choice->paths + bytes - 3, "...") != 0)) {
        (void)snprintf(choice->paths + bytes, left, "%s...", separator);
    }
}

static void copy_path(espalier_source_path *to, const char *text)
{
    (void)snprintf(to->text, sizeof to->text, "%s", text);
    to->bytes = strlen(to->text);
}

static espalier_status consider_model(void *context, const espalier_pickle_value *value,
                                      espalier_source_class class, const char *path)
{
    model_choice *const choice = context;
    if (class == ESPALIER_SOURCE_SUPPORTED) {
        if (choice->model == NULL) {
            choice->model = value;
            copy_path(choice->path, path);
        } else if (choice->model == value) {
            return ESPALIER_OK; /* the same object under another name */
        }
        choice->model_count++;
        list_path(choice, path);
        return ESPALIER_OK;
    }
    /* A model explains a refusal better than a scaler. */
    if (choice->other == NULL || (choice->other_class == ESPALIER_SOURCE_TRANSFORMER &&
                                  class != ESPALIER_SOURCE_TRANSFORMER)) {
        choice->other = value;
        choice->other_class = class;
        copy_path(&choice->other_path, path);
    }
    return ESPALIER_OK;
}

/* Nothing inside can be converted: say what there is instead. */
static espalier_status refuse_choice(const model_choice *choice, const char *source,
                                     const char *select, const espalier_pickle_value *start,
                                     espalier_error *error_out)
{
    char text[400];
    const char *const where = select == NULL ? "" : select;
    if (choice->other != NULL) {
        espalier_sklearn_explain(choice->pickle, choice->other, choice->other_path.text, text,
                                 sizeof text);
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0,
                                  espalier_pickle_offset(choice->other), "%s: %s%s%s", source,
                                  choice->other_path.text, choice->other_path.bytes > 0 ? ": " : "",
                                  text);
    }
    const uint64_t offset = espalier_pickle_offset(start);
    const espalier_pickle_name *const class = espalier_pickle_class(start);
    if (class != NULL) {
        return espalier_error_set(
            error_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0, offset,
            "%s: %s%san object of class %.*s.%.*s, which is no model known here; if it keeps a "
            "forest in an attribute, select that: --select '%s.NAME'",
            source, where, *where == '\0' ? "" : ": ", (int)class->module.bytes, class->module.data,
            (int)class->name.bytes, class->name.data, where);
    }
    return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_NONE, 0, offset,
                              "%s: %s%sno model in this %s", source, where,
                              *where == '\0' ? "" : ": ",
                              espalier_pickle_kind_name(espalier_pickle_kind_of(start)));
}

espalier_status espalier_source_choose(const espalier_pickle *pickle, const char *source,
                                       const char *select, const espalier_pickle_value **value_out,
                                       espalier_source_path *path, espalier_error *error_out)
{
    const espalier_pickle_value *start = espalier_pickle_root(pickle);
    espalier_status status = ESPALIER_OK;
    if (select != NULL) {
        status = espalier_source_path_follow(pickle, source, select, &start, error_out);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    model_choice *const choice = calloc(1, sizeof *choice);
    espalier_source_path *const walked = calloc(1, sizeof *walked);
    if (choice == NULL || walked == NULL) {
        status = espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                    "%s: no memory to look for a model", source);
        goto out;
    }
    choice->pickle = pickle;
    choice->path = path;
    copy_path(walked, select == NULL ? "" : select);
    status = espalier_source_find(pickle, start, walked, consider_model, choice, error_out);
    if (status != ESPALIER_OK) {
        goto out;
    }
    if (choice->model_count == 0) {
        status = refuse_choice(choice, source, select, start, error_out);
    } else if (choice->model_count > 1) {
        status = espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_AMBIGUOUS, 0,
                                    espalier_pickle_offset(start),
                                    "%s: holds several models; choose one with select: %s", source,
                                    choice->paths);
    } else {
        *value_out = choice->model;
    }
out:
    free(walked);
    free(choice);
    return status;
}
