// SPDX-License-Identifier: Apache-2.0
/*
 * Every small change of a small model of every kind: each length it can be cut to, each byte set to
 * each of the 255 other values, as it is and with all checksums recomputed. What opens is verified,
 * looked at, and predicts with every level of ISA; then the same while another process rewrites the
 * nodes. All memory lies between moats, see exhaust_memory.h.
 *
 *   exhaust [--nth N] [--share I/N] [--rounds N] [--case MODEL:BYTE:VALUE:SEALED] [MODEL ...]
 *   exhaust --list
 *
 * --nth takes one case of N, the same ones each time; --share splits the work. The last line has
 * the counts. A finding ends the program, with the case on the last line; --case repeats it.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/model.h"
#include "format/checksum.h"
#include "tests/exhaustive/exhaust_memory.h"
#include "tests/exhaustive/exhaust_models.h"
#include "tests/exhaustive/exhaust_try.h"
#include "tests/support/sanitized.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef EXHAUST_UNDER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

/* Processor time that no case takes. */
#define CASE_SECONDS_MAX 60

/* The case that is tried, for the message about a finding. */
static struct {
    const char *model;
    const char *what; /* "byte", "length", "rewrite" */
    size_t at;
    unsigned value;
    bool sealed;
    bool running;
} now;

static uint64_t seen_by_timer;
static exhaust_counts totals;

/* As a signal handler may: no stdio. */
static void say_text(const char *text)
{
    if (text != NULL) {
        (void)!write(STDERR_FILENO, text, strlen(text));
    }
}

static void say_number(uint64_t number)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    say_text(&digits[at]);
}

static void say_case(void)
{
    say_text("exhaust: finding at ");
    say_text(now.model);
    say_text(":");
    say_number(now.at);
    say_text(":");
    say_number(now.value);
    say_text(now.sealed ? ":1 (" : ":0 (");
    say_text(now.what);
    say_text(")\n");
}

static void at_exit(void)
{
    if (now.running) {
        say_case();
    }
}

static void on_signal(int number)
{
    say_case();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void on_timer(int number)
{
    (void)number;
    if (now.running && totals.cases == seen_by_timer) {
        static const char text[] = "exhaust: a case without end\n";
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        say_case();
        _exit(3);
    }
    seen_by_timer = totals.cases;
}

#ifdef EXHAUST_UNDER_ASAN
/* The other sanitizer leaves without a word of ours else. */
__attribute__((visibility("default"))) const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}
#endif

static void watch(void)
{
    const struct itimerval each = {{CASE_SECONDS_MAX, 0}, {CASE_SECONDS_MAX, 0}};
    (void)atexit(at_exit);
    (void)signal(SIGVTALRM, on_timer);
    (void)setitimer(ITIMER_VIRTUAL, &each, NULL);
#ifdef EXHAUST_UNDER_ASAN
    __sanitizer_set_death_callback(at_exit); /* the sanitizer has told of the fault */
#endif
    /* Where a sanitizer has handlers for the others, it says more. */
    static const int faults[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < (SANITIZED ? 1 : sizeof faults / sizeof faults[0]); i++) {
        (void)signal(faults[i], on_signal);
    }
}

/* ---- cases ---- */

typedef struct run_options {
    uint64_t nth;
    uint64_t share_index;
    uint64_t share_count;
    uint32_t rounds; /* of predictions while the file changes */
    const char *one_case;
} run_options;

/* Whether a case is one of the sample and of the share: by a mix of its number. */
static bool is_taken(const run_options *options, uint64_t number)
{
    uint64_t mixed = (number + 1) * UINT64_C(0x9E3779B97F4A7C15);
    mixed ^= mixed >> 29;
    mixed *= UINT64_C(0xBF58476D1CE4E5B9);
    mixed ^= mixed >> 32;
    return mixed % options->nth == 0 &&
           mixed / options->nth % options->share_count == options->share_index;
}

typedef struct subject {
    const char *name;
    model_bytes sound;
    exhaust_file file;
    size_t head_bytes; /* header and table, which sealing changes */
} subject;

/* A place with exactly the bytes that the child index bound asks for. */
static subject subject_make(uint32_t index)
{
    subject s = {exhaust_model_name(index), exhaust_model_make(index), {0}, 0};
    espalier_model *model = NULL;
    espalier_error error;
    const espalier_status status =
        espalier_model_open_memory(s.sound.data, s.sound.bytes, NULL, &model, &error);
    if (status != ESPALIER_OK || espalier_model_verify(model, &error) != ESPALIER_OK) {
        fail_msg("%s: %s", s.name, error.message);
    }
    const size_t reach = (size_t)model->readable_bytes;
    s.head_bytes =
        sizeof(espalier_file_header) + model->file.section_count * sizeof(espalier_file_section);
    s.file = exhaust_file_make(reach > s.sound.bytes ? reach : s.sound.bytes);
    memcpy(s.file.write, s.sound.data, s.sound.bytes);
    espalier_model_close(model);
    return s;
}

static void subject_free(subject *s)
{
    exhaust_file_free(&s->file);
    model_bytes_free(&s->sound);
}

/* What a byte is for. */
typedef enum byte_use {
    USE_PADDING, /* of no section: kernels may read it, and nothing depends on it */
    USE_OTHERS,  /* no prediction reads it */
    USE_PREDICTIONS
} byte_use;

static const espalier_file_section *table_of(const subject *s)
{
    return (const void *)(s->sound.data + sizeof(espalier_file_header));
}

/* The sound model's section that a byte behind its table is of; their number: of none. */
static uint32_t section_at(const subject *s, size_t at)
{
    const espalier_file_header *const header = (const void *)s->sound.data;
    const espalier_file_section *const table = table_of(s);
    uint32_t i = 0;
    while (i < header->section_count &&
           (at < table[i].offset || at - table[i].offset >= table[i].bytes)) {
        i++;
    }
    return i;
}

static byte_use use_of(const subject *s, size_t at)
{
    const espalier_file_header *const header = (const void *)s->sound.data;
    if (at < s->head_bytes) {
        return USE_PREDICTIONS;
    }
    const uint32_t section = section_at(s, at);
    if (section == header->section_count) {
        return USE_PADDING;
    }
    const uint32_t type = table_of(s)[section].type;
    const bool unread = type == ESPALIER_SECTION_GOLDEN || type == ESPALIER_SECTION_METADATA ||
                        type == ESPALIER_SECTION_PROOF || type == ESPALIER_SECTION_COVER;
    return unread ? USE_OTHERS : USE_PREDICTIONS;
}

static void seal(const subject *s, size_t bytes)
{
    model_bytes whole = {s->file.write, bytes};
    model_bytes_seal(&whole);
}

/* The same where byte `at` alone is changed: behind the table only its section's checksum and the
 * header's differ from the sound model's. */
static void seal_byte(const subject *s, size_t at)
{
    if (at < s->head_bytes) {
        seal(s, s->sound.bytes);
        return;
    }
    espalier_file_header *const header = (void *)s->file.write;
    const uint32_t section = section_at(s, at);
    if (section < header->section_count) {
        espalier_file_section *const entry =
            (espalier_file_section *)(void *)(s->file.write + sizeof *header) + section;
        const espalier_checksum128 checksum =
            espalier_checksum128_of(s->file.write + entry->offset, (size_t)entry->bytes);
        entry->checksum_low = checksum.low;
        entry->checksum_high = checksum.high;
    }
    header->checksum = 0;
    header->checksum = espalier_checksum64(s->file.write, s->head_bytes);
}

/* At the ends of every section and between two of them, seal_byte writes what seal does. */
static void check_seal_byte(const subject *s)
{
    uint8_t *const head = malloc(s->head_bytes);
    assert_non_null(head);
    for (size_t at = s->head_bytes; at < s->sound.bytes; at++) {
        if (at + 1 < s->sound.bytes && section_at(s, at) == section_at(s, at + 1) &&
            section_at(s, at) == section_at(s, at - 1)) {
            continue;
        }
        s->file.write[at] ^= 0x5A;
        seal_byte(s, at);
        memcpy(head, s->file.write, s->head_bytes);
        seal(s, s->sound.bytes);
        assert_memory_equal(head, s->file.write, s->head_bytes);
        memcpy(s->file.write, s->sound.data, s->head_bytes);
        s->file.write[at] = s->sound.data[at];
    }
    free(head);
}

/* Float64 rows every other time; briefly, and of few rows, with one level at a time. Sanitized code
 * takes three times as long: there whole blocks are of one level at a time, and every fourth time
 * where the case is brief. A byte's 255 values and the next bytes' take every level and width. */
static exhaust_way way_of(uint64_t number, bool brief, bool few)
{
    const uint32_t *levels = NULL;
    const uint32_t count = exhaust_levels(&levels);
    const uint32_t level = levels[number / 2 % count] + 1;
    const bool seldom = SANITIZED && brief && number / 2 / count % 4 != 0;
    return (exhaust_way){.wide = number % 2 == 1,
                         .brief = brief,
                         .few = few || seldom,
                         .only = brief || few ? level : 0,
                         .whole = SANITIZED ? level : 0};
}

/* Where no prediction reads the byte, answers are to be the sound model's: of a row of every odd
 * kind with one level, and for every sixteenth value of whole blocks with all. */
static void try_byte(const subject *s, size_t at, byte_use use, unsigned value, bool sealed)
{
    now.what = "byte", now.at = at, now.value = value, now.sealed = sealed;
    s->file.write[at] = (uint8_t)value;
    if (sealed) {
        seal_byte(s, at);
    }
    /* Nothing predicts from checksums, so a change that opens without them predicts the same with
     * them: there with everything; here briefly, and with rows of the other width. */
    const bool few = use != USE_PREDICTIONS && (value + at) % 16 != 0;
    exhaust_way way = way_of(value + at + sealed, !sealed, few);
    way.answers = use != USE_PREDICTIONS ? EXHAUST_SAME : EXHAUST_ANY;
    const espalier_status status = exhaust_try(s->file.read, s->file.bytes, &way, &totals);
    if (status == ESPALIER_OK && at < s->head_bytes && !sealed) {
        fail_msg("a changed header opens");
    }
    /* Sealing a header that claims more sections writes into what it takes for their entries. */
    const size_t changed = sealed && at < s->head_bytes ? s->sound.bytes : s->head_bytes;
    memcpy(s->file.write, s->sound.data, changed);
    s->file.write[at] = s->sound.data[at];
}

/* A model that nothing is wrong with predicts with every level, or the run would try nothing. */
static void try_sound(const subject *s)
{
    now.what = "sound", now.at = 0, now.value = 0, now.sealed = false;
    const exhaust_way narrow = {.answers = EXHAUST_NOTED};
    const exhaust_way way = {.wide = true, .answers = EXHAUST_NOTED};
    assert_int_equal(exhaust_try(s->file.read, s->file.bytes, &narrow, &totals), ESPALIER_OK);
    const exhaust_counts before = totals;
    assert_int_equal(exhaust_try(s->file.read, s->file.bytes, &way, &totals), ESPALIER_OK);
    assert_int_equal(totals.verified - before.verified, 1);
    assert_int_equal(totals.no_memory - before.no_memory, 0);
    if (strcmp(s->name, "heap_shared") == 0) { /* at every level but plain C */
        const uint32_t *levels = NULL;
        assert_int_equal(totals.sharing - before.sharing, exhaust_levels(&levels) - 1);
    }
}

static void try_bytes(const subject *s, const run_options *options)
{
    uint64_t number = 0;
    for (size_t at = 0; at < s->sound.bytes; at++) {
        /* Sealing has nothing to change where only padding did. */
        const byte_use use = use_of(s, at);
        const unsigned ways = use == USE_PADDING ? 1 : 2;
        for (unsigned value = 0; value < 256; value++) {
            for (unsigned sealed = 0; sealed < ways && value != s->sound.data[at]; sealed++) {
                if (is_taken(options, number++)) {
                    try_byte(s, at, use, value, sealed != 0);
                }
            }
        }
    }
}

/* The header says the shorter size, and nothing but the size is wrong. */
static void try_sealed_length(const subject *s, size_t bytes)
{
    if (bytes < sizeof(espalier_file_header)) {
        return;
    }
    now.sealed = true;
    ((espalier_file_header *)(void *)s->file.write)->file_bytes = bytes;
    seal(s, bytes);
    const exhaust_way way = way_of(bytes, false, false);
    (void)exhaust_try(s->file.read, bytes, &way, &totals);
    exhaust_file_cut(&s->file, s->file.bytes); /* it may be shorter than its table */
    memcpy(s->file.write, s->sound.data, s->head_bytes);
}

static void try_lengths(const subject *s, const run_options *options)
{
    now.what = "length", now.value = 0;
    for (size_t bytes = 0; bytes < s->sound.bytes; bytes++) {
        if (!is_taken(options, bytes)) {
            continue;
        }
        const exhaust_way way = way_of(bytes, false, false);
        now.at = bytes, now.sealed = false;
        exhaust_file_cut(&s->file, bytes);
        const espalier_status status = exhaust_try(s->file.read, bytes, &way, &totals);
        assert_int_equal(status,
                         bytes == 0 ? ESPALIER_ERROR_NOT_A_MODEL : ESPALIER_ERROR_TRUNCATED);
        try_sealed_length(s, bytes);
        exhaust_file_cut(&s->file, s->file.bytes);
    }
}

/* ---- a file that changes ---- */

/* Writes over what open leaves in the mapping, for ever: whole words, single bytes, the truth. */
static void rewrite_for_ever(const subject *s)
{
    const espalier_file_header *const header = (const void *)s->sound.data;
    const espalier_file_section *const table = (const void *)(s->sound.data + sizeof *header);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    uint64_t state = 1;
    for (uint32_t i = 0;; i = (i + 1) % header->section_count) {
        if (table[i].type < ESPALIER_SECTION_NODES) {
            continue;
        }
        for (uint64_t at = 0; at < table[i].bytes; at++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const uint64_t place = table[i].offset + (state >> 24) % table[i].bytes;
            const uint8_t byte = (uint8_t)(state >> 56);
            s->file.write[place] = state % 4 == 0   ? s->sound.data[place]
                                   : state % 4 == 1 ? (uint8_t)(byte | 0xF0)
                                                    : byte;
        }
    }
}

/* A model that opened while its file was sound, predicting and verifying while it is not. */
static void try_while_rewritten(const subject *s, const run_options *options)
{
    now.what = "rewrite", now.at = 0, now.sealed = false;
    memcpy(s->file.write, s->sound.data, s->sound.bytes);
    const exhaust_way ways[2] = {{.changing = true}, {.changing = true, .wide = true}};
    if (!exhaust_memory_has_moats()) {
        return; /* plain heap is not shared with another process */
    }
    const pid_t writer = fork();
    assert_true(writer >= 0);
    if (writer == 0) {
        rewrite_for_ever(s);
    }
    for (uint32_t round = 0; round < options->rounds; round++) {
        now.value = round;
        (void)exhaust_try(s->file.read, s->file.bytes, &ways[round % 2], &totals);
    }
    assert_int_equal(kill(writer, SIGKILL), 0);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    memcpy(s->file.write, s->sound.data, s->sound.bytes);
}

/* ---- runs ---- */

static void say_counts(const char *name, size_t bytes, const exhaust_counts *before)
{
    (void)printf("%-20s %6zu bytes %10llu cases %10llu refused %10llu opened %8llu verified %11llu "
                 "predictions %6llu without memory\n",
                 name, bytes, (unsigned long long)(totals.cases - before->cases),
                 (unsigned long long)(totals.refused - before->refused),
                 (unsigned long long)(totals.opened - before->opened),
                 (unsigned long long)(totals.verified - before->verified),
                 (unsigned long long)(totals.predictions - before->predictions),
                 (unsigned long long)(totals.no_memory - before->no_memory));
    (void)fflush(stdout);
}

static void try_model(uint32_t index, const run_options *options)
{
    const exhaust_counts before = totals;
    subject s = subject_make(index);
    size_t at = 0;
    unsigned value = 0, sealed = 0;
    now.model = s.name;
    now.running = true;
    if (options->one_case != NULL) {
        if (sscanf(options->one_case, "%*[^:]:%zu:%u:%u", &at, &value, &sealed) == 3 &&
            at < s.sound.bytes && value < 256) {
            try_sound(&s);
            try_byte(&s, at, use_of(&s, at), value, sealed != 0);
        }
    } else {
        try_sound(&s);
        check_seal_byte(&s);
        try_lengths(&s, options);
        try_bytes(&s, options);
        try_while_rewritten(&s, options);
    }
    assert_memory_equal(s.file.write, s.sound.data, s.sound.bytes); /* no case left anything */
    now.running = false;
    say_counts(s.name, s.sound.bytes, &before);
    subject_free(&s);
}

static bool is_wanted(const char *name, const run_options *options, char **names, int name_count)
{
    bool wanted = name_count == 0 && options->one_case == NULL;
    for (int i = 0; i < name_count; i++) {
        wanted = wanted || strcmp(names[i], name) == 0;
    }
    const size_t bytes = strlen(name);
    return wanted || (options->one_case != NULL && strncmp(options->one_case, name, bytes) == 0 &&
                      options->one_case[bytes] == ':');
}

/* Index of the first argument that is no option; 0: not understood. */
static int read_options(int count, char **arguments, run_options *options_out)
{
    run_options o = {1, 0, 1, 2000, NULL};
    int i = 1;
    for (; i + 1 < count && arguments[i][0] == '-'; i += 2) {
        const char *const value = arguments[i + 1];
        unsigned long long first = 0, second = 0;
        if (strcmp(arguments[i], "--nth") == 0 && sscanf(value, "%llu", &first) == 1) {
            o.nth = first;
        } else if (strcmp(arguments[i], "--rounds") == 0 && sscanf(value, "%llu", &first) == 1) {
            o.rounds = (uint32_t)first;
        } else if (strcmp(arguments[i], "--share") == 0 &&
                   sscanf(value, "%llu/%llu", &first, &second) == 2) {
            o.share_index = first;
            o.share_count = second;
        } else if (strcmp(arguments[i], "--case") == 0) {
            o.one_case = value;
        } else {
            return 0;
        }
    }
    *options_out = o;
    return o.nth > 0 && o.share_count > 0 && (i == count || arguments[i][0] != '-') ? i : 0;
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "--list") == 0) {
        for (uint32_t i = 0; i < exhaust_model_count(); i++) {
            (void)printf("%s\n", exhaust_model_name(i));
        }
        return 0;
    }
    run_options options;
    const int first = read_options(count, arguments, &options);
    if (first == 0) {
        (void)fprintf(stderr, "usage: exhaust [--nth N] [--share I/N] [--rounds N] "
                              "[--case MODEL:BYTE:VALUE:SEALED] [MODEL ...]\n");
        return 2;
    }
    exhaust_memory_start();
    watch();
    if (!exhaust_models_check()) {
        return 1;
    }
    for (uint32_t i = 0; i < exhaust_model_count(); i++) {
        if (is_wanted(exhaust_model_name(i), &options, arguments + first, count - first)) {
            try_model(i, &options);
        }
    }
    const exhaust_counts none = {0};
    say_counts("all", 0, &none);
    return totals.opened > 0 || options.one_case != NULL ? 0 : 1;
}
