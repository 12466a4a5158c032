// SPDX-License-Identifier: Apache-2.0
/*
 * Plans that do not fit: what the importers' stages and outputs would have to say before flattening
 * refuses them.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/plan.h"
#include "espalier.h"
#include "tests/support/synthetic.h"

#include <string.h>

static void refuses(const espalier_forest *forest, const char *words)
{
    const char *const fault = espalier_plan_find_fault(forest);
    if (fault == NULL || strstr(fault, words) == NULL) {
        fail_msg("'%s', not '%s'", fault != NULL ? fault : "nothing", words);
    }
}

static void test_plan_faults(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 41,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 9,
                                       .feature_count = 3,
                                       .decision_count_max = 20,
                                       .group_count = 1,
                                       .linked = true};
    espalier_forest made;
    synthetic_forest_make(&options, &made);
    espalier_forest *const forest = &made;
    espalier_forest_stage *const stage = &forest->stages[1];
    espalier_forest_output *const output = &forest->outputs[2];
    assert_null(espalier_plan_find_fault(forest));
    const espalier_forest_stage good = *stage;
    const espalier_forest_output sound = *output;
    stage->operation = (espalier_forest_operation)21;
    refuses(forest, "that there is not");
    *stage = good;
    stage->operation = ESPALIER_FOREST_EXPECTILES;
    refuses(forest, "that there is not");
    *stage = good;
    stage->count = 0;
    refuses(forest, "that there is not");
    *stage = good;
    stage->input_slot = 2;
    refuses(forest, "wrong slots");
    *stage = good;
    stage->narrow = true;
    refuses(forest, "reads a float64");
    *stage = good;
    forest->stages[0].first_constant = 1;
    refuses(forest, "without its constants");
    forest->stages[0].first_constant = 0;
    output->decision = ESPALIER_FOREST_NO_DECISION;
    refuses(forest, "without its decision");
    *output = sound;
    output->first_slot = 5;
    refuses(forest, "that there are not");
    *output = sound;
    output->group = 1;
    refuses(forest, "not in order");
    *output = sound;
    output->decision = ESPALIER_FOREST_FIRST_MAXIMUM;
    refuses(forest, "one label a class");
    *output = sound;
    forest->outputs[0].narrow = true;
    refuses(forest, "float32 output");
    forest->outputs[0].narrow = false;
    forest->default_output = ESPALIER_OUTPUT_SCORE;
    refuses(forest, "default output");
    espalier_forest_free(forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
