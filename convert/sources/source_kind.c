// SPDX-License-Identifier: Apache-2.0
/*
 * See source_kind.h: the list of kinds, asked in this order.
 */
#include "convert/sources/source_kind.h"

#include "convert/sources/lightgbm.h"
#include "convert/sources/xgboost.h"

static const espalier_source_kind *const kinds[] = {
    &espalier_lightgbm_kind, &espalier_xgboost_kind, NULL, /* the end */
};

const espalier_source_kind *espalier_source_recognise(const uint8_t *data, size_t bytes)
{
    size_t i = 0;
    while (kinds[i] != NULL && !kinds[i]->recognise(data, bytes)) {
        i++;
    }
    return kinds[i];
}
