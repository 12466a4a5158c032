// SPDX-License-Identifier: Apache-2.0
/*
 * How every command opens its model. Includes cli.h and espalier.h.
 */
#include "cli.h"

int espalier_open_model(const char *path, uint64_t open_flags, espalier_model **model_out,
                        espalier_model_info *info_out)
{
    const espalier_model_info empty = ESPALIER_MODEL_INFO_INIT;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    espalier_model *model = NULL;
    options.flags = open_flags;
    *model_out = NULL;
    espalier_status status = espalier_model_open(path, &options, &model, &error);
    if (status == ESPALIER_OK && info_out != NULL) {
        *info_out = empty;
        status = espalier_model_info_get(model, info_out);
    }
    if (status != ESPALIER_OK) {
        espalier_model_close(model);
        return espalier_fail_status(path, status, &error);
    }
    *model_out = model;
    return 0;
}
