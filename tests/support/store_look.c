// SPDX-License-Identifier: Apache-2.0
/*
 * See store_look.h.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "tests/support/store_look.h"

#include "espalier_publish.h"
#include "espalier_slot.h"

uint64_t store_current(const char *folder)
{
    espalier_model *model = NULL;
    espalier_error error;
    uint64_t version = 0;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    if (espalier_model_open_store(folder, &options, &model, &version, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    espalier_model_close(model);
    return version;
}

espalier_status store_list(const char *folder, espalier_error *error)
{
    espalier_store_version *versions = NULL;
    size_t count = 0;
    const espalier_status status = espalier_store_list(folder, &versions, &count, error);
    espalier_store_free(versions);
    return status;
}
