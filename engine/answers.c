// SPDX-License-Identifier: Apache-2.0
/*
 * See answers.h. Column tables were checked by open.
 */
#include "engine/answers.h"

#include "engine/cuts.h"

_Static_assert(ESPALIER_ANSWER_ROWS == ESPALIER_ANSWER_GROUPS * ESPALIER_GROUP_ROWS,
               "an answer has a bit for every row of its groups");

/* A mebibyte of answers: half of the second-level cache of the processor they were measured on
 * (Sapphire Rapids, 2 MiB a core), all of it on many others. */
#define ANSWERS_MAX 16384u

/*
 * What a node costs that takes its answer, in what it costs to test it for a group of rows; what an
 * answer costs, kernels say. Both from where batches of 64 to 512 rows of XGBoost models of 700 to
 * 44,100 nodes with 0.26 to 0.93 tests a node cross (Sapphire Rapids, 2026-11).
 */
#define NODE_COST 2u

/* The most that a code of a column can be: its segment's cuts. */
static uint32_t column_last(const espalier_file_column *column)
{
    const uint32_t most = espalier_bank_code_max(ESPALIER_BANK_BYTE);
    const uint64_t before = (uint64_t)column->segment * most;
    const uint64_t left = column->cut_count > before ? column->cut_count - before : 0;
    return left < most ? (uint32_t)left : most;
}

uint32_t espalier_answers_count(const espalier_model *model)
{
    const espalier_bank *const bank = &model->banks[ESPALIER_BANK_BYTE];
    uint32_t count = 0;
    for (uint32_t c = 0; c < bank->count; c++) {
        count += column_last(&model->columns[bank->first + c]) + 1;
    }
    return count <= ANSWERS_MAX ? count : 0;
}

uint32_t espalier_answers_least(const espalier_kernel *kernel, uint32_t answer_count,
                                const espalier_kernel_tree *trees, uint32_t tree_count)
{
    if (kernel->answer_cost == 0 || answer_count == 0) {
        return ESPALIER_ANSWER_GROUPS + 1; /* trees of other layouts are of any depth */
    }
    uint64_t nodes = 0;
    for (uint32_t t = 0; t < tree_count; t++) {
        nodes += (UINT64_C(1) << trees[t].depth) - 1;
    }
    const uint64_t shared = (uint64_t)kernel->answer_cost * answer_count + NODE_COST * nodes;
    return shared < ESPALIER_ANSWER_GROUPS * nodes ? (uint32_t)(shared / nodes) + 1
                                                   : ESPALIER_ANSWER_GROUPS + 1;
}

void espalier_answers_fill(const espalier_model *model, espalier_answers *answers)
{
    const espalier_bank *const bank = &model->banks[ESPALIER_BANK_BYTE];
    uint32_t first = 0;
    for (uint32_t c = 0; c < bank->count; c++) {
        const uint32_t last = column_last(&model->columns[bank->first + c]);
        answers->firsts[c] = (uint16_t)first;
        answers->lasts[c] = (uint16_t)last;
        first += last + 1;
    }
    answers->column_count = bank->count;
    /* Columns that are none answer what is behind the first one's tests: no. */
    for (uint32_t c = bank->count; c < ESPALIER_ANSWER_COLUMNS; c++) {
        answers->firsts[c] = answers->lasts[0];
        answers->lasts[c] = 0;
    }
}
