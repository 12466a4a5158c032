// SPDX-License-Identifier: Apache-2.0
/*
 * espalier_convert: load, flatten, prove, publish. Everything that goes into the file is known
 * before it is written, the proof included, so the bytes that are opened, verified and compared are
 * the ones that get the model's name; if anything disagrees they never get it.
 */
#include "espalier_convert.h"

#include "convert/category_values.h"
#include "convert/check.h"
#include "convert/flatten.h"
#include "convert/forest.h"
#include "convert/golden.h"
#include "convert/metadata.h"
#include "convert/sources/source.h"
#include "format/error.h"
#include "format/options.h"
#include "format/writer.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONVERT_FLAGS_KNOWN ((uint64_t)ESPALIER_CONVERT_ALLOW_FLAGGED)
#define CONVERT_STEPS       4u

/* One conversion on its way. */
typedef struct conversion {
    const char *source_path; /* of bytes in memory: what messages call them */
    const void *source_data; /* NULL: in the file */
    size_t source_bytes;
    const char *model_path;
    const espalier_convert_options *options; /* never NULL */
    espalier_error *error;
    espalier_source_facts facts;
    espalier_forest forest;
    espalier_flat flat;
    espalier_golden golden;
    espalier_flat_bytes golden_section;
    espalier_flat_bytes metadata;
    espalier_check check;
    espalier_proof proof;
    char *temporary;
    uint64_t model_bytes;
} conversion;

static void tell_progress(const conversion *work, const char *what, uint64_t done)
{
    if (work->options->progress != NULL) {
        work->options->progress(work->options->progress_context, what, done, CONVERT_STEPS);
    }
}

/* ---- arguments ---- */

static bool options_are_known(const espalier_convert_options *options)
{
    bool known = espalier_options_known(options, sizeof *options) &&
                 (options->flags & ~CONVERT_FLAGS_KNOWN) == 0;
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++) {
        known = known && options->reserved[i] == 0;
    }
    return known && options->reserved0 == 0 &&
           (options->layout <= ESPALIER_LAYOUT_BITS || options->layout == ESPALIER_LAYOUT_MASK);
}

/* Publishing a model over its own source would destroy the source. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat status_a;
    struct stat status_b;
    return stat(a, &status_a) == 0 && stat(b, &status_b) == 0 &&
           status_a.st_dev == status_b.st_dev && status_a.st_ino == status_b.st_ino;
}

static espalier_status check_call(const conversion *work)
{
    const char *const source_path = work->source_path;
    const char *const model_path = work->model_path;
    const espalier_convert_options *const options = work->options;
    espalier_error *const error_out = work->error;
    if (source_path == NULL || model_path == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "a conversion needs the path of a source and of a model");
    }
    if (!options_are_known(options)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_OPTIONS, 0, ESPALIER_OFFSET_NONE,
                                  "%s: unknown conversion options", source_path);
    }
    if ((options->check_rows == NULL) != (options->check_expected == NULL) ||
        (options->meta == NULL && options->meta_count != 0)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: rows to check without answers, answers without rows, or "
                                  "metadata that is not there",
                                  source_path);
    }
    if (work->source_data == NULL && is_same_file(source_path, model_path)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: the model would replace its own source", model_path);
    }
    return ESPALIER_OK;
}

/* ---- steps ---- */

/* XGBoost's matrix knows what is missing, and its model does not. It compares float32. */
static espalier_status mark_missing(conversion *work)
{
    espalier_forest *const forest = &work->forest;
    const double *const missing = work->options->missing;
    if (missing == NULL) {
        return ESPALIER_OK;
    }
    if (forest->framework == NULL || strcmp(forest->framework, "XGBoost") != 0) {
        return espalier_error_set(work->error, ESPALIER_ERROR_OPTIONS, 0, ESPALIER_OFFSET_NONE,
                                  "%s: only XGBoost is told what means missing", work->source_path);
    }
    forest->missing_marked = !isnan(*missing);
    forest->missing_number = forest->missing_marked ? (double)(float)*missing : 0.0;
    forest->infinite_allowed = forest->infinite_allowed || isinf(forest->missing_number);
    uint32_t feature = 0;
    return espalier_category_values_clash(forest, &feature)
               ? espalier_error_set(work->error, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0,
                                    ESPALIER_OFFSET_NONE, "%s: " ESPALIER_CATEGORY_CLASH,
                                    work->source_path, forest->missing_number, feature)
               : ESPALIER_OK;
}

static espalier_status load_and_flatten(conversion *work)
{
    tell_progress(work, "reading", 0);
    espalier_status status =
        work->source_data != NULL
            ? espalier_source_load_forest_memory(work->source_data, work->source_bytes,
                                                 work->source_path, work->options, &work->forest,
                                                 &work->facts, work->error)
            : espalier_source_load_forest(work->source_path, work->options, &work->forest,
                                          &work->facts, work->error);
    if (status == ESPALIER_OK) {
        status = mark_missing(work);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    tell_progress(work, "flattening", 1);
    status = espalier_flatten_to(&work->forest, work->options->layout, work->source_path,
                                 &work->flat, work->error);
    /* Only placing needs it; an eighth or more of the forest's memory. */
    free(work->forest.cover);
    work->forest.cover = NULL;
    return status;
}

/* What the file will say of itself. */
static espalier_status make_records(conversion *work)
{
    tell_progress(work, "evaluating", 2);
    const espalier_convert_options *const options = work->options;
    espalier_golden_counts(&work->forest, &work->proof);
    espalier_status status = ESPALIER_OK;
    if (options->check_rows != NULL) {
        status = espalier_check_forest(&work->check, &work->forest, options->check_rows,
                                       options->check_expected, work->source_path, work->error);
        if (status != ESPALIER_OK) {
            return status;
        }
        work->proof.check_rows = options->check_rows->row_count;
        work->proof.check_values = work->check.values;
        work->proof.check_differing = work->check.differing;
        work->proof.check_ulp_max = work->check.ulp_max;
        work->proof.check_kind = (uint32_t)work->check.kind;
        work->proof.check_cause = (uint32_t)work->check.cause;
    }
    status = espalier_golden_init(&work->golden, &work->forest, work->error);
    if (status == ESPALIER_OK) {
        status = espalier_golden_section(&work->golden, &work->golden_section, work->error);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_metadata_source source = {.format = work->facts.format,
                                       .place = work->facts.place,
                                       .bytes = work->facts.file_bytes};
    if (work->source_data != NULL) {
        espalier_metadata_digest_memory(work->source_data, work->source_bytes, source.digest);
    } else {
        status = espalier_metadata_digest(work->source_path, source.digest, work->error);
    }
    if (status == ESPALIER_OK) {
        status = espalier_metadata_make(&work->forest, &work->flat, &source, options,
                                        &work->metadata, work->error);
    }
    return status;
}

static espalier_status write_model(conversion *work)
{
    tell_progress(work, "writing", 3);
    const espalier_proof *const proof = &work->proof;
    const espalier_file_proof record = {
        .rows_compared = proof->rows_compared,
        .values_compared = proof->values_compared,
        .leaves_compared = proof->leaves_compared,
        .check_rows = proof->check_rows,
        .check_values = proof->check_values,
        .check_differing = proof->check_differing,
        .check_ulp_max = proof->check_ulp_max,
        .check_kind = proof->check_kind,
        .check_cause = proof->check_cause,
    };
    espalier_writer_section sections[ESPALIER_FLAT_SECTIONS_MAX + 3];
    uint32_t count = espalier_flat_sections(&work->flat, sections);
    if (work->golden_section.bytes != 0) {
        sections[count++] =
            (espalier_writer_section){ESPALIER_SECTION_GOLDEN, 0, work->golden_section.data,
                                      work->golden_section.bytes};
    }
    sections[count++] = (espalier_writer_section){ESPALIER_SECTION_METADATA, 0, work->metadata.data,
                                                  work->metadata.bytes};
    sections[count++] =
        (espalier_writer_section){ESPALIER_SECTION_PROOF, 0, &record, sizeof record};
    const espalier_status status =
        espalier_writer_write(work->model_path, sections, count, &work->temporary,
                              &work->model_bytes, work->error);
    /* The file holds it now; the mapping takes its place in memory. */
    espalier_flat_free(&work->flat);
    return status;
}

/* A file of ours that does not open or verify: a fault of the converter or of the disk. */
static espalier_status open_written(const conversion *work, espalier_model **model_out)
{
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    espalier_error cause;
    const espalier_status status =
        espalier_model_open(work->temporary, &options, model_out, &cause);
    if (status == ESPALIER_OK) {
        return ESPALIER_OK;
    }
    const bool is_content = status >= ESPALIER_ERROR_NOT_A_MODEL && status < ESPALIER_ERROR_LIMIT;
    (void)espalier_error_set(work->error, is_content ? ESPALIER_ERROR_PROOF : status,
                             cause.format_rule, cause.file_offset,
                             "%s: not published, the written file does not verify: %s",
                             work->model_path, cause.message);
    return is_content ? ESPALIER_ERROR_PROOF : status;
}

static espalier_status prove_model(conversion *work)
{
    espalier_model *model = NULL;
    espalier_status status = open_written(work, &model);
    if (status != ESPALIER_OK) {
        return status;
    }
    status =
        espalier_golden_compare(&work->golden, model, work->model_path, work->options->progress,
                                work->options->progress_context, work->error);
    if (status == ESPALIER_OK && work->options->check_rows != NULL) {
        status = espalier_check_model(&work->check, model, work->model_path, work->error);
    }
    espalier_model_close(model);
    return status;
}

static espalier_status publish_model(conversion *work)
{
    const espalier_status status =
        espalier_writer_publish(work->temporary, work->model_path, work->error);
    if (status == ESPALIER_OK) {
        tell_progress(work, "published", CONVERT_STEPS);
    }
    return status;
}

/* ---- report ---- */

static void print_bytes(uint64_t bytes, char *text, size_t text_bytes)
{
    if (bytes >= 1000000) {
        (void)snprintf(text, text_bytes, "%.1f MB", (double)bytes / 1e6);
    } else if (bytes >= 1000) {
        (void)snprintf(text, text_bytes, "%.1f kB", (double)bytes / 1e3);
    } else {
        (void)snprintf(text, text_bytes, "%llu bytes", (unsigned long long)bytes);
    }
}

static void fill_report(const conversion *work, espalier_convert_report *report)
{
    memset(report, 0, sizeof *report);
    report->source_bytes = work->facts.file_bytes;
    report->model_bytes = work->model_bytes;
    report->proof = work->proof;
    char source[32];
    char model[32];
    char check[128] = "";
    print_bytes(work->facts.file_bytes, source, sizeof source);
    print_bytes(work->model_bytes, model, sizeof model);
    if (work->proof.check_rows != 0) {
        espalier_check_describe(&work->check, check, sizeof check);
    }
    (void)snprintf(report->summary, sizeof report->summary,
                   "%s -> %s, %u %s, %llu nodes; %llu golden rows equal bit for bit%s%s", source,
                   model, (unsigned)work->forest.tree_count,
                   work->forest.tree_count == 1 ? "tree" : "trees",
                   (unsigned long long)work->forest.node_count,
                   (unsigned long long)work->proof.rows_compared, *check != '\0' ? "; " : "",
                   check);
}

static void free_conversion(conversion *work)
{
    if (work->temporary != NULL) {
        espalier_writer_discard(work->temporary); /* nothing there once it is published */
    }
    free(work->temporary);
    espalier_check_free(&work->check);
    espalier_golden_free(&work->golden);
    free(work->golden_section.data);
    free(work->metadata.data);
    espalier_flat_free(&work->flat);
    espalier_forest_free(&work->forest);
}

/* Everything but the source, the model's path and the options. */
static espalier_status run_conversion(conversion *work, espalier_convert_report *report_out)
{
    static const espalier_convert_options defaults = ESPALIER_CONVERT_OPTIONS_INIT;
    if (work->options == NULL) {
        work->options = &defaults;
    }
    espalier_status (*const steps[])(conversion *) = {load_and_flatten, make_records, write_model,
                                                      prove_model, publish_model};
    espalier_status status = check_call(work);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == ESPALIER_OK; i++) {
        status = steps[i](work);
    }
    if (status == ESPALIER_OK && report_out != NULL) {
        fill_report(work, report_out);
    }
    free_conversion(work);
    return status;
}

espalier_status espalier_convert(const char *source_path, const char *model_path,
                                 const espalier_convert_options *options,
                                 espalier_convert_report *report_out, espalier_error *error_out)
{
    conversion work;
    memset(&work, 0, sizeof work);
    work.source_path = source_path;
    work.model_path = model_path;
    work.options = options;
    work.error = error_out;
    return run_conversion(&work, report_out);
}

espalier_status espalier_convert_memory(const void *source, size_t source_bytes,
                                        const char *source_name, const char *model_path,
                                        const espalier_convert_options *options,
                                        espalier_convert_report *report_out,
                                        espalier_error *error_out)
{
    if (source == NULL || source_name == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "a conversion from memory needs bytes and a name for them");
    }
    conversion work;
    memset(&work, 0, sizeof work);
    work.source_path = source_name;
    work.source_data = source;
    work.source_bytes = source_bytes;
    work.model_path = model_path;
    work.options = options;
    work.error = error_out;
    return run_conversion(&work, report_out);
}
