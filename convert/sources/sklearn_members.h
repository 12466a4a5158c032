// SPDX-License-Identifier: Apache-2.0
/*
 * Estimators of other estimators: loading a member, adding it to the whole, and the slots that its
 * answers are in. Included by sklearn_*.c alone.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SKLEARN_MEMBERS_H
#define ESPALIER_CONVERT_SOURCES_SKLEARN_MEMBERS_H

#include "convert/sources/sklearn_internal.h"

/* How deep estimators may be inside each other: the loaders call each other so often. */
#define ESPALIER_SKLEARN_DEPTH_MAX 5u

/* An estimator inside another. All zero before it is loaded; free it whatever happens. */
typedef struct espalier_sklearn_member {
    const espalier_pickle_value *value;
    const espalier_sklearn_class *class; /* of scikit-learn, or NULL */
    espalier_forest forest;
    espalier_plan plan; /* once it is added: its outputs, in slots of the whole */
    bool boosted;       /* of XGBoost or LightGBM */
    bool scoreless;     /* and without decision_function */
    uint32_t *numbers;  /* of features, where it sees some */
    espalier_combine_features features;
} espalier_sklearn_member;

/*
 * Loads the estimator, whose place *path says; `subset` is the array of the features it sees, or
 * NULL: all. The whole takes over how many features there are from its first member if it does not
 * know, and accepts missing and infinite values only if all members do.
 */
espalier_status espalier_sklearn_load_member(espalier_sklearn_import *import,
                                             const espalier_pickle_value *value,
                                             const espalier_pickle_value *subset,
                                             espalier_sklearn_member *member);
void espalier_sklearn_free_member(espalier_sklearn_member *member);

/* What an estimator does with a member that was loaded; it adds it if it can be one. */
typedef espalier_status espalier_sklearn_member_use(void *work, espalier_sklearn_member *member,
                                                    uint32_t index);

/* Loads number `index` of estimators_, the list of members, and lets `use` have it. Where that
 * fails *path stays at the member. `subset`: as above. */
espalier_status espalier_sklearn_read_member(espalier_sklearn_import *import,
                                             const espalier_pickle_value *members, uint32_t index,
                                             const espalier_pickle_value *subset,
                                             espalier_sklearn_member_use *use, void *work);

/* Adds it to the whole as parts of its own. */
espalier_status espalier_sklearn_add_member(espalier_sklearn_import *import,
                                            espalier_sklearn_member *member);

/* After the last member, or a failure: `status`, or what became of that. */
espalier_status espalier_sklearn_close_members(espalier_sklearn_import *import,
                                               espalier_status status);

/* The whole looks at rows itself, and refuses missing and infinite values. Before the close. */
void espalier_sklearn_refuse_rows(espalier_sklearn_import *import);

/* Opens a part of the whole for single trees, and adds one to it. */
espalier_status espalier_sklearn_open_joint(espalier_sklearn_import *import,
                                            const espalier_forest_part *part);
espalier_status espalier_sklearn_join_member(espalier_sklearn_import *import,
                                             const espalier_sklearn_member *member,
                                             const double *leaf_rows, uint32_t slot,
                                             uint32_t iteration);

/* Whether it is one tree of one output, whose leaf rows are then what its answers are made of. */
bool espalier_sklearn_is_single_tree(const espalier_sklearn_member *member);

/* Its output of a kind and group, or NULL. */
const espalier_forest_output *espalier_sklearn_find_output(const espalier_sklearn_member *member,
                                                           espalier_output_kind kind,
                                                           uint32_t group);

/* The first of `count` slots with the probabilities of a group's classes; the slot with the number
 * of the class; the first of the slots of what decision_function gives. NO_SLOT: there are none, or
 * no memory. */
uint32_t espalier_sklearn_member_probability(const espalier_sklearn_import *import,
                                             const espalier_sklearn_member *member, uint32_t group);
uint32_t espalier_sklearn_member_class(const espalier_sklearn_import *import,
                                       const espalier_sklearn_member *member, uint32_t group);
const espalier_forest_output *espalier_sklearn_member_margin(const espalier_sklearn_member *member);

/* One more stage, of float32 if narrow. ADD_SLOTS: `other`. */
uint32_t espalier_sklearn_add_typed_stage(const espalier_sklearn_import *import,
                                          const espalier_forest_stage *stage,
                                          const double *constants);

/* y = the slots numbered, -1 for 0; of float32 if narrow, which all of them are then. */
uint32_t espalier_sklearn_pick_slots(const espalier_sklearn_import *import, const double *slots,
                                     uint32_t count, bool narrow);

/* One more output that is no class, of float32 if narrow; false when its slot is not there or
 * memory runs out. */
bool espalier_sklearn_add_typed_output(const espalier_sklearn_import *import,
                                       espalier_output_kind kind, uint32_t slot, uint32_t count,
                                       bool narrow);

/* Running sums of vectors of `count` slots: the first as it is. False: no slot. */
bool espalier_sklearn_accumulate(const espalier_sklearn_import *import, uint32_t *sum,
                                 uint32_t slot, uint32_t count, bool narrow);

/* Each of `count` slots by, or times, or plus the same number. */
uint32_t espalier_sklearn_add_uniform(const espalier_sklearn_import *import,
                                      espalier_forest_operation operation, uint32_t slot,
                                      uint32_t count, double number, bool narrow);

/* The whole's one group: its classes if it classifies, else `width` values. No leaves. */
espalier_status espalier_sklearn_open_whole(espalier_sklearn_import *import, uint32_t width);

/* Where each class of the member (its first group) is among the whole's: places[labels of it]. */
espalier_status espalier_sklearn_map_classes(const espalier_sklearn_import *import,
                                             const espalier_sklearn_member *member,
                                             uint32_t *places);

/* The members' list: its length, 1 or more. */
espalier_status espalier_sklearn_list_members(const espalier_sklearn_import *import,
                                              const char *name,
                                              const espalier_pickle_value **list_out,
                                              uint32_t *count_out);

/* An array of as many finite numbers as wanted. */
espalier_status espalier_sklearn_read_numbers(const espalier_sklearn_import *import,
                                              const espalier_pickle_value *object, const char *name,
                                              uint32_t count, double *out);

/* A finite number. */
espalier_status espalier_sklearn_read_number(const espalier_sklearn_import *import,
                                             const espalier_pickle_value *object, const char *name,
                                             double *out);

#endif
