// SPDX-License-Identifier: Apache-2.0
/*
 * See fake_boosted.h.
 */
#include "tests/support/fake_boosted.h"

void open_xgboost_booster(pickle_writer *writer, const void *model, size_t bytes)
{
    open_object(writer, "xgboost.core", "Booster");
    put_text(writer, "handle");
    put_raw(writer, model, bytes);
}

void open_xgboost(pickle_writer *writer, const char *name, const void *model, size_t bytes)
{
    open_object(writer, "xgboost.sklearn", name);
    put_text(writer, "_Booster");
    open_xgboost_booster(writer, model, bytes);
    close_object(writer);
}

void open_lightgbm_booster(pickle_writer *writer, const char *key, const char *model)
{
    open_object(writer, "lightgbm.basic", "Booster");
    put_text(writer, key);
    put_text(writer, model);
}

void open_lightgbm(pickle_writer *writer, const char *name, const char *key, const char *model,
                   int64_t best_iteration)
{
    open_object(writer, "lightgbm.sklearn", name);
    put_text(writer, "_Booster");
    open_lightgbm_booster(writer, key, model);
    put_text(writer, "best_iteration");
    put_int(writer, best_iteration);
    close_object(writer);
}

void put_encoder(pickle_writer *writer, const char *code, const void *data, size_t bytes,
                 uint64_t count)
{
    put_text(writer, "_le");
    open_object(writer, "sklearn.preprocessing._label", "LabelEncoder");
    put_text(writer, "classes_");
    put_array(writer, code, '<', &count, 1, false, data, bytes);
    close_object(writer);
}
