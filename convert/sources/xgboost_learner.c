// SPDX-License-Identifier: Apache-2.0
/*
 * The members of an XGBoost document around its trees. See xgboost_internal.h.
 */
#include "convert/sources/xgboost_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
/* What one name costs besides its bytes: the pointer and the allocator's rounding. */
#define NAME_BYTES 40u
/* The wrapper's note of 1.x lists all parameters and the labels. */
#define NOTE_BYTES_MAX (16u << 20)

/* Reads an object twice over: its members for what counts, all of it for the metadata. */
static bool read_and_keep(espalier_xgboost_import *import, const espalier_xgboost_member *members,
                          size_t count, json_t **object_out)
{
    espalier_document *const document = &import->document;
    const size_t at = document->at;
    if (!espalier_xgboost_read_object(import, members, count, ESPALIER_XGBOOST_OTHERS_SKIPPED)) {
        return false;
    }
    document->at = at;
    return espalier_xgboost_keep_object(import, object_out);
}

/* ---- learner_model_param -------------------------------------------------------------------- */

/* "5E-1", "[5E-1]", "[1E-1,2E-1]". */
static bool read_base_score_text(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    espalier_document_text text;
    if (!espalier_document_read_text(document, &text)) {
        return false;
    }
    const char *at = text.data;
    const char *end = text.data + text.bytes;
    if (text.bytes >= 2 && *at == '[' && end[-1] == ']') {
        at++;
        end--;
    }
    for (bool more = true; more;) {
        const char *const comma = memchr(at, ',', (size_t)(end - at));
        const char *const stop = comma != NULL ? comma : end;
        espalier_document_array *const scores = &import->base_scores;
        if (!espalier_document_reserve(document, scores, scores->count + 1, sizeof(float))) {
            return false;
        }
        if (!espalier_decimal_to_float32(&document->decimal, at, (size_t)(stop - at),
                                         (float *)scores->items + scores->count)) {
            return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX,
                                          document->value_at, "no number at number %" PRIu64,
                                          scores->count);
        }
        scores->count++;
        more = comma != NULL;
        at = stop + (more ? 1 : 0);
    }
    return true;
}

static bool read_base_score(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    switch (espalier_document_peek(document)) {
    case ESPALIER_DOCUMENT_TEXT:
        return read_base_score_text(import);
    case ESPALIER_DOCUMENT_ARRAY:
        return espalier_document_read_float32s(document, &import->base_scores);
    default:
        break;
    }
    if (!espalier_document_reserve(document, &import->base_scores, 1, sizeof(float))) {
        return false;
    }
    import->base_scores.count = 1;
    return espalier_document_read_float32(document, import->base_scores.items);
}

static bool read_class_count(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->class_count);
}

static bool read_feature_count(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->feature_count);
}

static bool read_target_count(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->target_count);
}

static bool read_model_parameters(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"base_score", read_base_score, true},
        {"num_class", read_class_count, true},
        {"num_feature", read_feature_count, true},
        {"num_target", read_target_count, false},
    };
    return read_and_keep(import, members, COUNT(members), &import->model_parameters);
}

/* ---- objective ------------------------------------------------------------------------------ */

static bool read_objective(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    espalier_document_text key;
    if (!espalier_document_enter_object(document)) {
        return false;
    }
    const size_t start = document->value_at;
    import->objective_parameters = json_object();
    while (espalier_document_member(document, &key)) {
        json_t *parameters = NULL;
        bool good;
        if (espalier_document_text_is(&key, "name")) {
            good = import->objective[0] == '\0'
                       ? espalier_xgboost_read_word(import, import->objective,
                                                    sizeof import->objective)
                       : espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX,
                                                document->value_at, "given twice");
        } else if (espalier_document_peek(document) == ESPALIER_DOCUMENT_OBJECT) {
            good = espalier_xgboost_keep_object(import, &parameters);
            if (good && json_object_update(import->objective_parameters, parameters) != 0) {
                good = espalier_document_fail(document, ESPALIER_ERROR_MEMORY, document->value_at,
                                              "no memory for parameters");
            }
        } else {
            good = espalier_document_skip(document);
        }
        json_decref(parameters);
        if (!good) {
            return false;
        }
    }
    if (document->status == ESPALIER_OK && import->objective[0] == '\0') {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, start,
                                      "there is no name");
    }
    return document->status == ESPALIER_OK;
}

/* ---- attributes ----------------------------------------------------------------------------- */

/* The class that saved the model: `type` in 1.x; the kind of estimator later. */
static bool read_note_member(espalier_document *note, const espalier_document_text *key,
                             espalier_xgboost_import *import)
{
    espalier_document_text text;
    if (espalier_document_text_is(key, "num_parallel_tree") &&
        espalier_document_peek(note) == ESPALIER_DOCUMENT_NUMBER) {
        return espalier_document_read_int64(note, &import->wrapper_parallel_count);
    }
    if (espalier_document_text_is(key, "missing") &&
        espalier_document_peek(note) == ESPALIER_DOCUMENT_NUMBER) {
        return espalier_document_read_float32(note, &import->wrapper_missing);
    }
    if (espalier_document_text_is(key, "predictor") &&
        espalier_document_peek(note) == ESPALIER_DOCUMENT_TEXT) {
        if (!espalier_document_read_text(note, &text)) {
            return false;
        }
        import->wrapper_by_matrix = !espalier_document_text_is(&text, "auto");
        return true;
    }
    if (espalier_document_text_is(key, "_le")) {
        return espalier_xgboost_read_encoder(note, &import->encoder);
    }
    const bool is_type = espalier_document_text_is(key, "type");
    if ((is_type || espalier_document_text_is(key, "_estimator_type")) &&
        espalier_document_peek(note) == ESPALIER_DOCUMENT_TEXT) {
        if (!espalier_document_read_text(note, &text)) {
            return false;
        }
        const bool short_text = text.bytes < sizeof import->class_name - sizeof "xgboost.";
        if (is_type && short_text && !text.escaped) {
            (void)snprintf(import->class_name, sizeof import->class_name, "xgboost.%.*s",
                           (int)text.bytes, text.data);
        }
        static const char suffix[] = "Classifier";
        const size_t suffix_bytes = sizeof suffix - 1;
        import->classifier =
            import->classifier || espalier_document_text_is(&text, "classifier") ||
            (is_type && text.bytes >= suffix_bytes &&
             memcmp(text.data + text.bytes - suffix_bytes, suffix, suffix_bytes) == 0);
        return true;
    }
    return espalier_document_skip(note);
}

bool espalier_xgboost_read_note(espalier_xgboost_import *import, const char *note_text,
                                size_t bytes, size_t offset)
{
    espalier_document *const note = calloc(1, sizeof *note);
    espalier_status status = ESPALIER_ERROR_MEMORY;
    import->wrapped = true;
    if (note != NULL) {
        espalier_document_text key;
        (void)espalier_document_open(note, "", (const uint8_t *)note_text, bytes,
                                     ESPALIER_DOCUMENT_JSON, 1, NULL);
        (void)espalier_document_enter_object(note);
        while (note->status == ESPALIER_OK && espalier_document_member(note, &key)) {
            (void)read_note_member(note, &key, import);
        }
        status = note->status;
        espalier_document_close(note);
    }
    free(note);
    if (status == ESPALIER_ERROR_MEMORY) {
        return espalier_document_fail(&import->document, status, offset,
                                      "no memory to read a note");
    }
    return status == ESPALIER_OK ||
           espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_SYNTAX, offset,
                                  "a text that is no JSON object");
}

/* attributes.scikit_learn: a JSON object in a text. */
static bool read_wrapper_note(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    espalier_document_text text;
    size_t bytes = 0;
    if (!espalier_document_read_text(document, &text)) {
        return false;
    }
    if (text.bytes > NOTE_BYTES_MAX) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_LIMIT, document->value_at,
                                      "a note of %zu bytes", text.bytes);
    }
    char *const copy = espalier_document_copy_text(document, &text, &bytes);
    const bool good =
        copy != NULL && espalier_xgboost_read_note(import, copy, bytes, document->value_at);
    free(copy);
    return good;
}

static bool read_best_iteration(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->best_iteration);
}

static bool read_best_tree_limit(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->best_tree_limit);
}

static bool read_attributes(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"best_iteration", read_best_iteration, false},
        {"best_ntree_limit", read_best_tree_limit, false},
        {"scikit_learn", read_wrapper_note, false},
    };
    return read_and_keep(import, members, COUNT(members), &import->attributes);
}

/* ---- gradient_booster ----------------------------------------------------------------------- */

static bool read_tree_count(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->tree_count);
}

static bool read_parallel_count(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->parallel_count);
}

static bool read_booster_parameters(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"num_trees", read_tree_count, true},
        {"num_parallel_tree", read_parallel_count, false},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_SKIPPED);
}

static bool read_tree_info(espalier_xgboost_import *import)
{
    return espalier_document_read_int32s(&import->document, &import->tree_info);
}

static bool read_iteration_starts(espalier_xgboost_import *import)
{
    return espalier_document_read_int32s(&import->document, &import->iteration_start);
}

/* Beside the model up to 3.3, inside it since 3.4. */
static bool read_weight_drop(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    if (import->has_weights) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->value_at,
                                      "given twice");
    }
    import->has_weights = true;
    return espalier_document_read_float32s(document, &import->weight_drop);
}

static bool read_model(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"gbtree_model_param", read_booster_parameters, false},
        {"iteration_indptr", read_iteration_starts, false},
        {"tree_info", read_tree_info, false},
        {"trees", espalier_xgboost_read_trees, false},
        {"weight_drop", read_weight_drop, false},
        {"cats", espalier_xgboost_read_categories, false},
        {"boosted_rounds", NULL, false}, /* gblinear, refused by its name */
        {"weights", NULL, false},
        {"param", NULL, false},
    };
    espalier_document *const document = &import->document;
    if (import->model_read) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->value_at,
                                      "a second model");
    }
    import->model_read = true;
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_UNSUPPORTED);
}

static bool read_booster_name(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_word(import, import->booster, sizeof import->booster);
}

/* Up to 3.3 dart holds its trees one level deeper. */
static bool read_inner_booster(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"model", read_model, true},
        {"name", NULL, true},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_UNSUPPORTED);
}

static bool read_booster(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"gbtree", read_inner_booster, false},
        {"model", read_model, false},
        {"name", read_booster_name, true},
        {"weight_drop", read_weight_drop, false},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_UNSUPPORTED);
}

/* ---- the document --------------------------------------------------------------------------- */

static bool read_feature_names(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    if (!espalier_document_enter_array(document)) {
        return false;
    }
    while (espalier_document_item(document)) {
        espalier_document_text text;
        if (!espalier_document_read_text(document, &text) ||
            !espalier_document_charge(document, NAME_BYTES) ||
            !espalier_document_reserve(document, &import->names, import->names.count + 1,
                                       sizeof(char *))) {
            return false;
        }
        char *const name = espalier_document_copy_text(document, &text, NULL);
        if (name == NULL) {
            return false;
        }
        ((char **)import->names.items)[import->names.count++] = name;
    }
    return document->status == ESPALIER_OK;
}

static bool read_learner(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"attributes", read_attributes, false},
        {"feature_names", read_feature_names, false},
        {"feature_types", NULL, false},
        {"gradient_booster", read_booster, true},
        {"learner_model_param", read_model_parameters, true},
        {"objective", read_objective, true},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_UNSUPPORTED);
}

static bool read_version(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    if (!espalier_document_enter_array(document)) {
        return false;
    }
    const size_t start = document->value_at;
    size_t count = 0;
    while (espalier_document_item(document)) {
        int64_t part;
        if (!espalier_document_read_int64(document, &part)) {
            return false;
        }
        if (count < COUNT(import->version)) {
            import->version[count] = part;
        }
        count++;
    }
    if (document->status == ESPALIER_OK && count != COUNT(import->version)) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, start,
                                      "%zu numbers instead of three", count);
    }
    return document->status == ESPALIER_OK;
}

/* ---- a model with its configuration, as a pickle holds it ------------------------------------ */

/* Up to 1.5 the model itself does not say it. */
static bool read_configured_count(espalier_xgboost_import *import)
{
    int64_t count = 0;
    if (!espalier_xgboost_read_integer(import, &count)) {
        return false;
    }
    if (import->parallel_count == ESPALIER_XGBOOST_UNKNOWN) {
        import->parallel_count = count;
    }
    return true;
}

static bool read_training_parameters(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"num_parallel_tree", read_configured_count, false},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_SKIPPED);
}

static bool read_configured_trees(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"gbtree_train_param", read_training_parameters, false},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_SKIPPED);
}

/* Dart has what gbtree has one level deeper. */
static bool read_configured_booster(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"gbtree", read_configured_trees, false},
        {"gbtree_train_param", read_training_parameters, false},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_SKIPPED);
}

static bool read_configured_learner(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"gradient_booster", read_configured_booster, false},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_SKIPPED);
}

bool espalier_xgboost_read_configuration(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"learner", read_configured_learner, false},
        {"version", read_version, false},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_SKIPPED);
}

static bool read_saved_model(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"learner", read_learner, true},
        {"version", read_version, true},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_SKIPPED);
}

static bool read_snapshot(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"Config", espalier_xgboost_read_configuration, false},
        {"Model", read_saved_model, true},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_UNSUPPORTED);
}

/* Looks at the first key and goes back. */
static bool is_snapshot(espalier_document *document)
{
    espalier_document_text key;
    const size_t start = document->at;
    const bool found =
        espalier_document_enter_object(document) && espalier_document_member(document, &key) &&
        (espalier_document_text_is(&key, "Config") || espalier_document_text_is(&key, "Model"));
    document->at = start;
    document->depth = 0;
    return found;
}

bool espalier_xgboost_read_document(espalier_xgboost_import *import)
{
    return (is_snapshot(&import->document) ? read_snapshot(import) : read_saved_model(import)) &&
           espalier_document_finish(&import->document);
}
