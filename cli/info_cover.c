// SPDX-License-Identifier: Apache-2.0
/*
 * What the trainer counted at its nodes, for espalier info and espalier inspect. Includes info.h.
 */
#include "espalier_inspect.h"
#include "info.h"

#include <inttypes.h>
#include <stdlib.h>

const char *espalier_info_cover_unit(uint32_t unit)
{
    switch (unit) {
    case ESPALIER_COVER_ROWS:
        return "rows";
    case ESPALIER_COVER_WEIGHTS:
        return "weights";
    case ESPALIER_COVER_HESSIANS:
        return "hessians";
    default:
        return NULL;
    }
}

json_t *espalier_info_cover(const espalier_model *model)
{
    const uint32_t count = espalier_model_value_count(model);
    double *const covers = malloc(count * sizeof *covers);
    const char *const unit =
        covers != NULL ? espalier_info_cover_unit(espalier_model_covers(model, covers, count))
                       : NULL;
    if (unit == NULL) {
        free(covers);
        return json_null();
    }
    json_t *const values = json_object();
    for (uint32_t i = 0; i < count; i++) {
        char key[16];
        if (covers[i] != 0.0) {
            (void)snprintf(key, sizeof key, "%" PRIu32, i);
            json_object_set_new(values, key, json_real(covers[i]));
        }
    }
    free(covers);
    return json_pack("{s:s,s:o}", "unit", unit, "values", values);
}
