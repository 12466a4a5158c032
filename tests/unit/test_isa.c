// SPDX-License-Identifier: Apache-2.0
/*
 * ISA levels: names, what the machine supports, forcing by option and by the environment, and that
 * a forced level is kept to.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/cpu.h"
#include "engine/dispatch.h"
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[ESPALIER_ISA_COUNT] = {"auto",   "scalar",     "avx2",
                                                      "avx512", "avx512vbmi", "neon"};

static espalier_model *open_model(uint32_t layout, model_bytes *bytes_out)
{
    const synthetic_options options = {.seed = 4,
                                       .trainer = SYNTHETIC_XGBOOST,
                                       .tree_count = 6,
                                       .feature_count = 3,
                                       .decision_count_max = 15,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 5};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    *bytes_out = model_bytes_of_layout(&forest, 0, layout);
    espalier_forest_free(&forest);
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(bytes_out->data, bytes_out->bytes, NULL, &model,
                                                NULL),
                     ESPALIER_OK);
    return model;
}

static espalier_status create(const espalier_model *model, uint32_t isa,
                              espalier_predictor **predictor_out)
{
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.isa = isa;
    return espalier_predictor_create(model, &options, predictor_out);
}

static void test_names(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ESPALIER_ISA_COUNT; i++) {
        espalier_isa isa = ESPALIER_ISA_AUTO;
        assert_string_equal(espalier_isa_name((espalier_isa)i), names[i]);
        assert_int_equal(espalier_isa_from_name(names[i], &isa), ESPALIER_OK);
        assert_int_equal(isa, i);
    }
    espalier_isa isa = ESPALIER_ISA_NEON;
    static const char *const wrong[] = {"", "AVX2", "avx", "avx2 ", "sse", "avx512 vbmi"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(espalier_isa_from_name(wrong[i], &isa), ESPALIER_ERROR_ISA);
    }
    assert_int_equal(isa, ESPALIER_ISA_NEON);
    assert_int_equal(espalier_isa_from_name(NULL, &isa), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_isa_from_name("auto", NULL), ESPALIER_ERROR_ARGUMENT);
    assert_null(espalier_isa_name((espalier_isa)ESPALIER_ISA_COUNT));
}

/* What /proc/cpuinfo says this machine has must be what detection finds; under Valgrind, whose CPU
 * has no AVX-512, at most that. */
static void test_detection_agrees_with_the_system(void **state)
{
    (void)state;
    static const char *const flags[ESPALIER_ISA_COUNT] = {NULL,         NULL,           " avx2 ",
                                                          " avx512bw ", " avx512vbmi ", NULL};
    const espalier_cpu cpu = espalier_cpu_detect();
    const char *const preloaded = getenv("LD_PRELOAD");
    const bool by_valgrind = preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
    assert_true((cpu.levels >> ESPALIER_ISA_SCALAR & 1) != 0);
    FILE *const file = fopen("/proc/cpuinfo", "r");
    static char line[16384];
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        found = strncmp(line, "flags", 5) == 0;
    }
    if (file != NULL) {
        assert_int_equal(fclose(file), 0);
    }
    if (!found) {
        skip();
    }
    for (uint32_t i = 0; i < ESPALIER_ISA_COUNT; i++) {
        if (flags[i] != NULL) {
            const uint32_t has = strstr(line, flags[i]) != NULL;
            const uint32_t found_level = cpu.levels >> i & 1;
            assert_true(found_level == has || (by_valgrind && found_level < has));
        }
    }
}

static void test_every_level_or_an_error(void **state)
{
    (void)state;
    static const uint32_t layouts[] = {ESPALIER_LAYOUT_WALK, ESPALIER_LAYOUT_HEAP,
                                       ESPALIER_LAYOUT_SELECT, ESPALIER_LAYOUT_BITS};
    for (size_t l = 0; l < sizeof layouts / sizeof layouts[0]; l++) {
        model_bytes bytes;
        espalier_model *const model = open_model(layouts[l], &bytes);
        for (uint32_t isa = 0; isa < ESPALIER_ISA_COUNT + 3; isa++) {
            espalier_predictor *predictor = NULL;
            const espalier_status status = create(model, isa, &predictor);
            if (isa >= ESPALIER_ISA_COUNT || espalier_isa_supported((espalier_isa)isa) == 0) {
                assert_int_equal(status, ESPALIER_ERROR_ISA);
                assert_null(predictor);
                continue;
            }
            assert_int_equal(status, ESPALIER_OK);
            espalier_predictor_info info = ESPALIER_PREDICTOR_INFO_INIT;
            assert_int_equal(espalier_predictor_info_get(predictor, &info), ESPALIER_OK);
            assert_true(isa == ESPALIER_ISA_AUTO || info.isa == isa);
            assert_int_not_equal(info.isa, ESPALIER_ISA_AUTO);
            assert_true(info.memory_bytes > 0 && info.block_rows > 0);
            assert_int_equal(strlen(info.ranker) > 0, layouts[l] != ESPALIER_LAYOUT_WALK);
            assert_string_equal(espalier_predictor_part_kernel(predictor, 0),
                                espalier_predictor_kernel(predictor));
            assert_null(espalier_predictor_part_kernel(predictor, 1));
            assert_true(isa != ESPALIER_ISA_SCALAR ||
                        strstr(espalier_predictor_kernel(predictor), "scalar") != NULL);
            espalier_predictor_destroy(predictor);
        }
        espalier_model_close(model);
        model_bytes_free(&bytes);
    }
}

static void test_environment(void **state)
{
    (void)state;
    model_bytes bytes;
    espalier_model *const model = open_model(ESPALIER_LAYOUT_HEAP, &bytes);
    for (uint32_t isa = 0; isa < ESPALIER_ISA_COUNT; isa++) {
        espalier_predictor *predictor = NULL;
        assert_int_equal(setenv("ESPALIER_ISA", names[isa], 1), 0);
        const espalier_status status = create(model, ESPALIER_ISA_AUTO, &predictor);
        assert_int_equal(status, espalier_isa_supported((espalier_isa)isa) != 0
                                     ? ESPALIER_OK
                                     : ESPALIER_ERROR_ISA);
        espalier_predictor_info info = ESPALIER_PREDICTOR_INFO_INIT;
        if (status == ESPALIER_OK && isa != ESPALIER_ISA_AUTO) {
            assert_int_equal(espalier_predictor_info_get(predictor, &info), ESPALIER_OK);
            assert_int_equal(info.isa, isa);
        }
        espalier_predictor_destroy(predictor);
    }
    espalier_predictor *predictor = NULL;
    assert_int_equal(setenv("ESPALIER_ISA", "avx1024", 1), 0);
    assert_int_equal(create(model, ESPALIER_ISA_AUTO, &predictor), ESPALIER_ERROR_ISA);
    /* What the caller forces stands above the environment. */
    assert_int_equal(create(model, ESPALIER_ISA_SCALAR, &predictor), ESPALIER_OK);
    espalier_predictor_destroy(predictor);
    assert_int_equal(unsetenv("ESPALIER_ISA"), 0);
    espalier_model_close(model);
    model_bytes_free(&bytes);
}

/* The model was asked about when it was opened; its predictors believe it and ask no more. */
static void test_predictors_share_the_answer(void **state)
{
    (void)state;
    model_bytes bytes;
    espalier_model *const model = open_model(ESPALIER_LAYOUT_WALK, &bytes);
    const espalier_cpu cpu = espalier_cpu_detect();
    assert_int_equal(model->cpu.levels, cpu.levels);
    model->cpu = (espalier_cpu){.levels = 1u << ESPALIER_ISA_SCALAR};
    for (uint32_t isa = 0; isa < ESPALIER_ISA_COUNT; isa++) {
        espalier_predictor *predictor = NULL;
        espalier_predictor_info info = ESPALIER_PREDICTOR_INFO_INIT;
        const espalier_status status = create(model, isa, &predictor);
        if (isa != ESPALIER_ISA_AUTO && isa != ESPALIER_ISA_SCALAR) {
            assert_int_equal(status, ESPALIER_ERROR_ISA);
            continue;
        }
        assert_int_equal(status, ESPALIER_OK);
        assert_int_equal(espalier_predictor_info_get(predictor, &info), ESPALIER_OK);
        assert_int_equal(info.isa, ESPALIER_ISA_SCALAR);
        espalier_predictor_destroy(predictor);
    }
    espalier_model_close(model);
    model_bytes_free(&bytes);
}

/* Kernels that gather serve where the machine gathers fast and their numbers reach. */
static void test_gathers_where_they_are_fast(void **state)
{
    (void)state;
    if (!espalier_isa_supported(ESPALIER_ISA_AVX512)) {
        skip();
    }
    model_bytes bytes;
    espalier_model *const model = open_model(ESPALIER_LAYOUT_WALK, &bytes);
    espalier_cpu cpu = espalier_cpu_detect();
    for (uint32_t i = 0; i < 4; i++) {
        cpu.gathers_fast = i % 2 == 1;
        model->readable_bytes = i < 2 ? UINT32_MAX : UINT64_C(1) << 32;
        espalier_dispatch dispatch;
        assert_int_equal(espalier_dispatch_choose(&cpu, ESPALIER_ISA_AVX512, &dispatch),
                         ESPALIER_OK);
        const espalier_kernel *const kernel =
            espalier_dispatch_kernel(&dispatch, model, &model->parts[0]);
        assert_int_equal(kernel->isa, ESPALIER_ISA_AVX512);
        assert_int_equal(kernel->gathers, i == 1);
    }
    espalier_model_close(model);
    model_bytes_free(&bytes);
}

int main(void)
{
    (void)unsetenv("ESPALIER_ISA");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_detection_agrees_with_the_system),
        cmocka_unit_test(test_every_level_or_an_error),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_predictors_share_the_answer),
        cmocka_unit_test(test_gathers_where_they_are_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
