// SPDX-License-Identifier: Apache-2.0
/*
 * Estimators and Boosters as XGBoost and LightGBM pickle them, around a model in bytes or text that
 * may be anything. What is opened takes more pairs of a text and a value, until close_object.
 * May include: libc, pickle_writer.h. Must never: use the reader it is meant to test.
 */
#ifndef ESPALIER_TESTS_SUPPORT_FAKE_BOOSTED_H
#define ESPALIER_TESTS_SUPPORT_FAKE_BOOSTED_H

#include "tests/support/pickle_writer.h"

/* A Booster with its model under "handle". */
void open_xgboost_booster(pickle_writer *writer, const void *model, size_t bytes);
/* An estimator of xgboost.sklearn around one. */
void open_xgboost(pickle_writer *writer, const char *name, const void *model, size_t bytes);

/* The key is "_handle", before LightGBM 4.0 "handle". */
void open_lightgbm_booster(pickle_writer *writer, const char *key, const char *model);
/* An estimator of lightgbm.sklearn around one with a best iteration. */
void open_lightgbm(pickle_writer *writer, const char *name, const char *key, const char *model,
                   int64_t best_iteration);

/* {"classes_": [...]} of an encoder under "_le", an array of one dimension. */
void put_encoder(pickle_writer *writer, const char *code, const void *data, size_t bytes,
                 uint64_t count);

#endif
