// SPDX-License-Identifier: Apache-2.0
/*
 * From the caller's rows to what nodes test: rounding, missing values, ranks among cuts, and what
 * the trainer would refuse. The only file of the engine that reads caller rows. Everything that a
 * model decides is resolved when the program is made, so that the loops over rows have no choices.
 */
#ifndef ESPALIER_ENGINE_COLUMNS_H
#define ESPALIER_ENGINE_COLUMNS_H

#include "engine/kernels/kernel.h"
#include "engine/model.h"
#include "espalier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row that was refused. */
typedef struct espalier_refusal {
    espalier_status status; /* OK, MISSING or INFINITE */
    size_t row;
    size_t feature;
} espalier_refusal;

/* Where columns go; a bank that the model lacks has NULL. 64-byte aligned. */
typedef struct espalier_cells {
    /* One row: [word_stride]. A block: [flights][word_stride][ESPALIER_FLIGHT_ROWS]. */
    uint32_t *words;
    size_t word_stride;
    /* Pairs, likewise: cell i for the columns 2i and 2i + 1. In memory of their own, so that no
     * node ever reads what an earlier row left. NULL if the model has none. */
    uint32_t *pairs;
    size_t pair_stride;
    /* One row: [byte_columns]. A block: [groups][byte_columns][ESPALIER_GROUP_ROWS]. */
    uint8_t *bytes;
    size_t byte_columns;
    uint16_t *shorts; /* likewise */
    size_t short_columns;
} espalier_cells;

/* Values to fetch from a row: of FEATURE columns, or of the lists of cuts. */
typedef struct espalier_gather {
    uint32_t count;
    bool in_order;   /* features follow each other */
    bool always_odd; /* some value needs a look even if none is NaN */
    uint32_t *features;
    double *bounds;   /* magnitudes up to this are missing; -1: none */
    double *missings; /* what a missing value becomes */
} espalier_gather;

/* One list of cuts and the columns it fills. Where a feature is tested with NaN right and with NaN
 * left among the same cuts, it is ranked once: the columns behind are its twins. */
typedef struct espalier_column_list {
    uint32_t bank;
    uint32_t first_column; /* in the bank */
    uint32_t segment_count;
    uint32_t twin_count; /* segments where NaN goes left, behind those where it goes right */
    uint32_t missing_rank;
    bool whole;            /* one segment, and no rank is beyond it */
    const uint8_t *matrix; /* of SET columns: a row of segment_count words by rank; else NULL */
} espalier_column_list;

/* How to fill the columns of a model; made by espalier_coder_create. */
typedef struct espalier_coder {
    const espalier_model *model;
    const espalier_ranker *ranker;
    const uint32_t *places; /* [value_count] of the values that columns name, or NULL */
    bool is_float32;        /* values are compared as float32 */
    double flush_bound;     /* magnitudes up to this become 0; -1: none */
    double range;           /* magnitudes above this are refused; infinity: none */
    bool missing_refused;
    bool marks_missing; /* missing_number is read as NaN */
    double missing_number;
    espalier_gather features;  /* FEATURE columns, always float32 */
    uint32_t *feature_columns; /* [features.count] rising, in bank WORD */
    bool features_scattered;   /* there are codes between them */
    uint32_t leaf_columns;     /* of bank WORD: 0, 1 or 2 */
    bool paired;               /* bank WORD has pairs of FEATURE columns only, these: */
    espalier_gather pairs;     /* one value for both */
    uint32_t *slot_features;   /* [slot_value_count] what stages VALUES write, */
    uint32_t *value_slots;     /* to which slots, */
    uint8_t *value_rules;      /* and how (columns.c) */
    uint32_t slot_value_count;
    espalier_gather lists;
    espalier_column_list *list_facts;              /* [lists.count] sorted by bank */
    espalier_cut_list *cut_lists;                  /* [lists.count] */
    uint32_t list_firsts[ESPALIER_BANK_SHORT + 2]; /* by bank: its first list */
    bool whole[ESPALIER_BANK_SHORT + 1]; /* by bank: list i fills column i, in one segment */
    bool twins[ESPALIER_BANK_SHORT + 1]; /* or columns 2i and 2i + 1 */
    void *values;                        /* scratch: [the most of these, a group] float, double */
    uint32_t *ranks;                     /* scratch */
    uint32_t *left_ranks;                /* scratch: the twins', where a row has NaN */
    uint32_t *row_words;                 /* scratch: one row of bank WORD */
    const struct espalier_rest *rest;    /* what fills the columns left out here, or NULL */
    const uint8_t *resting;              /* [value_count] of them, or NULL */
    uint64_t memory_bytes;               /* of all these */
} espalier_coder;

/*
 * places: [value_count] where in a row the values are that columns name, or NULL: each at its
 * number. resting: [value_count] values whose columns `rest` fills, not 0, or NULL; both are
 * borrowed. Status: MEMORY. Free with espalier_coder_free, also after a failure.
 */
espalier_status espalier_coder_create(espalier_coder *coder, const espalier_model *model,
                                      const espalier_ranker *ranker, const uint32_t *places,
                                      const uint8_t *resting, const struct espalier_rest *rest);
void espalier_coder_free(espalier_coder *coder);

/*
 * How many of rows [first, first + count) may be predicted before the first one the trainer would
 * refuse; that one is told in *refusal_out.
 */
size_t espalier_coder_check(const espalier_coder *coder, const espalier_rows *rows, size_t first,
                            size_t count, espalier_refusal *refusal_out);

/* Computes the columns of one row. True: bank WORD was filled as pairs, since nothing is NaN. */
bool espalier_coder_fill_row(const espalier_coder *coder, const espalier_rows *rows, size_t row,
                             const espalier_cells *cells);

/* The same for rows [first, first + count) of a block; what is behind them stays. */
bool espalier_coder_fill_block(const espalier_coder *coder, const espalier_rows *rows, size_t first,
                               size_t count, const espalier_cells *cells);

/* What the stages VALUES write of rows [first, first + count): slots[count][the model's slots]. */
void espalier_coder_fill_slots(const espalier_coder *coder, const espalier_rows *rows, size_t first,
                               size_t count, double *slots);

#endif
