// SPDX-License-Identifier: Apache-2.0
/*
 * LightGBM's text models, versions v2 to v4: trees with numerical splits, any boosting. What the
 * trainer does with values and what is refused is in docs/semantics.md.
 * May include: source_kind.h. Must never: guess. A key, a count or a flag that is not known is
 * refused by name; other keys of a tree could change what it means.
 */
#ifndef ESPALIER_CONVERT_SOURCES_LIGHTGBM_H
#define ESPALIER_CONVERT_SOURCES_LIGHTGBM_H

#include "convert/sources/source_kind.h"

extern const espalier_source_kind espalier_lightgbm_kind;

#endif
