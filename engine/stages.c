// SPDX-License-Identifier: Apache-2.0
/*
 * See stages.h. Every operation is rounded once, in the order the format prescribes.
 */
#include "engine/stages.h"

#include <string.h>

static double sum_sequential(const double *values, uint32_t count)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        sum += values[i];
    }
    return sum;
}

/* Up to 128 values, as NumPy's pairwise sum adds a block. */
static double sum_block(const double *values, uint32_t count)
{
    if (count < 8) {
        return sum_sequential(values, count);
    }
    double r[8];
    memcpy(r, values, sizeof r);
    uint32_t i = 8;
    for (; i + 8 <= count; i += 8) {
        for (uint32_t j = 0; j < 8; j++) {
            r[j] += values[i + j];
        }
    }
    double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < count; i++) {
        sum += values[i];
    }
    return sum;
}

/* A half that waits, or whose left sum waits for the right one. */
typedef struct pairwise_frame {
    const double *values;
    uint32_t count;
    uint32_t visited;
    double left;
} pairwise_frame;

/* Slots are at most 2^20, and a half has at least 64 values, so 20 frames are more than enough. */
#define PAIRWISE_FRAMES_MAX 32

/* NumPy's pairwise sum: blocks of at most 128, halves split at a multiple of eight. */
static double sum_pairwise(const double *values, uint32_t count)
{
    pairwise_frame frames[PAIRWISE_FRAMES_MAX];
    frames[0] = (pairwise_frame){values, count, 0, 0.0};
    uint32_t depth = 1;
    double result = 0.0;
    while (depth > 0) {
        pairwise_frame *const frame = &frames[depth - 1];
        const uint32_t half = frame->count / 2 - frame->count / 2 % 8;
        if (frame->count <= 128) {
            result = sum_block(frame->values, frame->count);
            depth--;
        } else if (frame->visited == 0) {
            frame->visited = 1;
            frames[depth++] = (pairwise_frame){frame->values, half, 0, 0.0};
        } else if (frame->visited == 1) {
            frame->visited = 2;
            frame->left = result;
            frames[depth++] = (pairwise_frame){frame->values + half, frame->count - half, 0, 0.0};
        } else {
            result = frame->left + result;
            depth--;
        }
    }
    return result;
}

void espalier_stage_run(const espalier_file_stage *stage, double *slots, size_t slot_stride,
                        size_t row_count)
{
    for (size_t r = 0; r < row_count; r++) {
        const double *const input = slots + r * slot_stride + stage->input_slot;
        double *const output = slots + r * slot_stride + stage->output_slot;
        double sum = stage->order == ESPALIER_ORDER_PAIRWISE
                         ? sum_pairwise(input, stage->slot_count)
                         : sum_sequential(input, stage->slot_count);
        sum = sum == 0.0 ? 1.0 : sum;
        for (uint32_t i = 0; i < stage->slot_count; i++) {
            output[i] = input[i] / sum;
        }
    }
}

int32_t espalier_first_maximum(const double *values, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++) {
        best = values[i] > values[best] ? i : best;
    }
    return (int32_t)best;
}
