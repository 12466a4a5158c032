// SPDX-License-Identifier: Apache-2.0
/*
 * See share_tests.h.
 */
#include "tests/support/share_tests.h"

#include "engine/answers.h"
#include "engine/predictor.h"

#include <stdlib.h>

#define CACHE_LINE 64u

/* Zeroed, at a cache line, among what the predictor frees. */
static void *take(espalier_predictor *predictor, size_t bytes)
{
    const size_t room = sizeof predictor->aligned / sizeof predictor->aligned[0];
    uint8_t *const memory = predictor->aligned_count < room ? calloc(1, bytes + CACHE_LINE) : NULL;
    if (memory == NULL) {
        return NULL;
    }
    predictor->aligned[predictor->aligned_count++] = memory;
    return memory + (CACHE_LINE - (uintptr_t)memory % CACHE_LINE);
}

static bool can_share(const espalier_predictor *predictor)
{
    bool can = false;
    for (uint32_t p = 0; p < predictor->model->part_count; p++) {
        can = can || predictor->parts[p].kernel->answer_cost != 0;
    }
    return can && espalier_answers_count(predictor->model) != 0;
}

bool share_tests(espalier_predictor *predictor)
{
    if (!can_share(predictor)) {
        return true;
    }
    if (predictor->answers == NULL) {
        const size_t count = espalier_answers_count(predictor->model);
        const size_t slots = 2;
        espalier_answers *const answers = take(predictor, sizeof *answers);
        espalier_answer *const room = take(predictor, count * sizeof *room);
        void *const sums = take(predictor, slots * ESPALIER_ANSWER_ROWS * sizeof(double));
        if (answers == NULL || room == NULL || sums == NULL) {
            return false;
        }
        espalier_answers_fill(predictor->model, answers);
        answers->answers = room;
        answers->sum_slots = (uint32_t)slots;
        answers->sums = sums;
        predictor->answers = answers;
    }
    for (uint32_t p = 0; p < predictor->model->part_count; p++) {
        espalier_predictor_part *const own = &predictor->parts[p];
        own->answer_groups_least = own->kernel->answer_cost != 0 ? 1 : ESPALIER_ANSWER_GROUPS + 1;
    }
    espalier_predictor_bind(predictor);
    return true;
}
