// SPDX-License-Identifier: Apache-2.0
/*
 * Asks an open model everything it can be asked but predictions.
 */
#ifndef TESTS_SUPPORT_MODEL_LOOK_H
#define TESTS_SUPPORT_MODEL_LOOK_H

#include "espalier.h"

/* Fails the running test when a question that must be answered is not. Looks at the first 64 of
 * names, labels and trees, and at 256 positions of a tree. */
void model_look(const espalier_model *model);

#endif
