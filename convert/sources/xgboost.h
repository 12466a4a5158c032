// SPDX-License-Identifier: Apache-2.0
/*
 * XGBoost's models saved as JSON or UBJSON, 1.0 to 3.4, to the forest in memory: gbtree and dart
 * with numerical splits and one value a leaf. What the versions do differently is in
 * docs/semantics.md.
 * May include: include/, convert/forest.h, format/, the document reader, jansson (parameters).
 * Must never: guess. What is not known is refused by name.
 */
#ifndef ESPALIER_CONVERT_SOURCES_XGBOOST_H
#define ESPALIER_CONVERT_SOURCES_XGBOOST_H

#include "convert/sources/source_kind.h"

extern const espalier_source_kind espalier_xgboost_kind;

#endif
