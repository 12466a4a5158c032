// SPDX-License-Identifier: Apache-2.0
/*
 * What a slot finds at its path, and whether it may take the place of the model that serves. See
 * slot.h.
 */
#include "engine/slot.h"

#include "espalier_slot.h"
#include "format/error.h"
#include "format/store_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool times_equal(const struct timespec *left, const struct timespec *right)
{
    return left->tv_sec == right->tv_sec && left->tv_nsec == right->tv_nsec;
}

bool espalier_slot_file_equal(const espalier_slot_file *left, const espalier_slot_file *right)
{
    return left->device == right->device && left->inode == right->inode &&
           left->bytes == right->bytes && times_equal(&left->modified, &right->modified) &&
           times_equal(&left->changed, &right->changed);
}

static espalier_status open_file(const char *path, espalier_slot_find *find,
                                 espalier_error *error_out)
{
    find->path = strdup(path);
    if (find->path == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", path);
    }
    find->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (find->descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot open",
                                     path);
    }
    return ESPALIER_OK;
}

espalier_status espalier_slot_find_open(const char *path, espalier_slot_find *find_out,
                                        espalier_error *error_out)
{
    espalier_slot_find find = {.descriptor = -1};
    struct stat facts;
    const bool is_store = stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
    espalier_status status = is_store
                                 ? espalier_store_open_current(path, &find.path, &find.descriptor,
                                                               &find.version, error_out)
                                 : open_file(path, &find, error_out);
    if (status == ESPALIER_OK && fstat(find.descriptor, &facts) != 0) {
        status = espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot stat",
                                       find.path);
    }
    if (status != ESPALIER_OK) {
        espalier_slot_find_close(&find);
        return status;
    }
    find.file = (espalier_slot_file){facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtim,
                                     facts.st_ctim};
    *find_out = find;
    return ESPALIER_OK;
}

void espalier_slot_find_close(espalier_slot_find *find)
{
    if (find->descriptor >= 0) {
        (void)close(find->descriptor);
    }
    free(find->path);
    find->descriptor = -1;
    find->path = NULL;
}

/* ---- may it serve instead ---- */

/* The first feature whose name differs; the number of features when none does. */
static uint32_t find_other_name(const espalier_model *serving, const espalier_model *next)
{
    const uint32_t count = next->head->feature_count;
    if (serving->feature_names.count != count || next->feature_names.count != count) {
        return count;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t left_bytes = 0;
        size_t right_bytes = 0;
        const char *const left = espalier_strings_at(&serving->feature_names, i, &left_bytes);
        const char *const right = espalier_strings_at(&next->feature_names, i, &right_bytes);
        if (left_bytes != right_bytes || memcmp(left, right, left_bytes) != 0) {
            return i;
        }
    }
    return count;
}

static bool labels_equal(const espalier_label *left, const espalier_label *right)
{
    if (left->kind != right->kind) {
        return false;
    }
    switch (left->kind) {
    case ESPALIER_LABEL_FLOAT:
        return memcmp(&left->real, &right->real, sizeof left->real) == 0;
    case ESPALIER_LABEL_STRING:
        return left->text_bytes == right->text_bytes &&
               memcmp(left->text, right->text, left->text_bytes) == 0;
    default:
        return left->integer == right->integer;
    }
}

static bool classes_equal(const espalier_model *serving, const espalier_model *next)
{
    for (uint32_t output = 0; output < next->head->group_count; output++) {
        espalier_label_info left;
        espalier_label_info right;
        const espalier_status left_status = espalier_model_labels(serving, output, &left);
        const espalier_status right_status = espalier_model_labels(next, output, &right);
        if (left_status != right_status) {
            return false;
        }
        if (left_status != ESPALIER_OK) {
            continue;
        }
        if (left.count != right.count) {
            return false;
        }
        for (uint32_t i = 0; i < left.count; i++) {
            espalier_label a;
            espalier_label b;
            if (espalier_model_class_label(serving, output, i, &a) != ESPALIER_OK ||
                espalier_model_class_label(next, output, i, &b) != ESPALIER_OK ||
                !labels_equal(&a, &b)) {
                return false;
            }
        }
    }
    return true;
}

/* The first output kind that differs, or 0. */
static uint32_t find_other_output(const espalier_model *serving, const espalier_model *next)
{
    for (uint32_t kind = ESPALIER_OUTPUT_MARGIN; kind <= ESPALIER_OUTPUT_SCORE; kind++) {
        espalier_output_info left;
        espalier_output_info right;
        const espalier_status left_status =
            espalier_model_output(serving, (espalier_output_kind)kind, &left);
        const espalier_status right_status =
            espalier_model_output(next, (espalier_output_kind)kind, &right);
        if (left_status != right_status) {
            return kind;
        }
        if (left_status != ESPALIER_OK || kind == ESPALIER_OUTPUT_LEAF) {
            continue; /* leaves: as many as there are trees */
        }
        if (left.dtype != right.dtype || left.width != right.width ||
            left.group_count != right.group_count) {
            return kind;
        }
    }
    return serving->head->default_output != next->head->default_output ? next->head->default_output
                                                                       : 0;
}

espalier_status espalier_slot_compare(const espalier_model *serving, const espalier_model *next,
                                      const char *name, espalier_error *error_out)
{
    const uint32_t features = next->head->feature_count;
    if (features != serving->head->feature_count) {
        return espalier_error_set(error_out, ESPALIER_ERROR_DIFFERENT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: has %u features, the model that serves has %u", name,
                                  (unsigned)features, (unsigned)serving->head->feature_count);
    }
    const uint32_t other_name = find_other_name(serving, next);
    if (other_name < features) {
        return espalier_error_set(error_out, ESPALIER_ERROR_DIFFERENT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: feature %u has another name than in the model that serves",
                                  name, (unsigned)other_name);
    }
    const uint32_t kind = find_other_output(serving, next);
    if (kind != 0 || serving->head->group_count != next->head->group_count) {
        return espalier_error_set(error_out, ESPALIER_ERROR_DIFFERENT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: has other outputs than the model that serves (kind %u)",
                                  name, (unsigned)kind);
    }
    if (!classes_equal(serving, next)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_DIFFERENT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: has other classes than the model that serves", name);
    }
    return ESPALIER_OK;
}
