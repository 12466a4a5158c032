// SPDX-License-Identifier: Apache-2.0
/*
 * Pipelines of scikit-learn: the model at their end, and what the steps in front of it do to its
 * rows, as a preparation of the forest. What is not converted is refused by the step's name and
 * class.
 * May include: include/, convert/forest.h, convert/preparation.h, the pickle reader.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SKLEARN_PIPELINE_H
#define ESPALIER_CONVERT_SOURCES_SKLEARN_PIPELINE_H

#include "convert/forest.h"
#include "convert/sources/pickle.h"
#include "convert/sources/source_path.h"

/* Whether a value is a Pipeline. */
bool espalier_sklearn_is_pipeline(const espalier_pickle_value *value);

/*
 * The model at the end of a pipeline, through searches and pipelines inside it, and its path in
 * *path; a value that is no pipeline is its own end. NULL: there is none.
 */
const espalier_pickle_value *espalier_sklearn_pipeline_end(const espalier_pickle *pickle,
                                                           const espalier_pickle_value *value,
                                                           espalier_source_path *path);

/*
 * Gives a forest that was loaded from the end of `pipeline` the preparation of all steps in front
 * of it: its nodes test values of that, its features are the caller's. path: of the pipeline.
 * *work_left, of ESPALIER_SKLEARN_WORK_MAX, is lessened by what was gone through.
 * Status: SOURCE_UNSUPPORTED, SOURCE_TREE, SOURCE_LIMIT, LIMIT, MEMORY.
 */
espalier_status espalier_sklearn_prepare_forest(const espalier_pickle *pickle, const char *source,
                                                const char *path,
                                                const espalier_pickle_value *pipeline,
                                                uint64_t memory_bytes_max, uint64_t *work_left,
                                                espalier_forest *forest, espalier_error *error_out);

#endif
