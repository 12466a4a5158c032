// SPDX-License-Identifier: Apache-2.0
/*
 * The two halves of espalier info: an Espalier file, and a saved model before it is trusted.
 * Includes cli.h.
 */
#ifndef ESPALIER_CLI_INFO_H
#define ESPALIER_CLI_INFO_H

#include "cli.h"

int espalier_info_model(const char *path, bool is_json);
int espalier_info_source(const char *path, bool is_json);

/* The named keys of a model's metadata, null where it does not say; metadata may be NULL. */
json_t *espalier_info_provenance(const json_t *metadata);
void espalier_info_print_provenance(const json_t *metadata);

/* What --json says of a model, but for what may be long: names, labels, parts and metadata. */
json_t *espalier_info_document(const char *path, const espalier_model *model,
                               const espalier_model_info *info);

/* The first parts of a model. */
json_t *espalier_info_parts(const espalier_model *model, uint32_t count_max);

/* What is made of a row before the trees: how many values by which operation, which features are
 * text; lines of the text form, or an object. */
void espalier_info_print_prepared(const espalier_model *model, const espalier_model_info *info);
json_t *espalier_info_prepared(const espalier_model *model, const espalier_model_info *info);

/* {"unit", "values": cover by value where it is not 0}, null when the file keeps none; the name of
 * an espalier_cover_unit, NULL of NONE. */
json_t *espalier_info_cover(const espalier_model *model);
const char *espalier_info_cover_unit(uint32_t unit);

/* The metadata; NULL when it is no JSON object. */
json_t *espalier_info_metadata(const espalier_model *model);

/* A class label. */
json_t *espalier_info_label_json(const espalier_label *label);

/* Starts a line of the text form: two blanks, a name, and blanks up to the value's column. */
void espalier_info_label(const char *name);

#endif
