// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the store share: its names, its lock, and taking folders apart. Nothing outside
 * publish/store*.c includes it. What readers need is in format/store_link.h.
 */
#ifndef ESPALIER_PUBLISH_STORE_H
#define ESPALIER_PUBLISH_STORE_H

#include "espalier_publish.h"
#include "format/store_link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names that no reader looks at. All but the lock belong to whoever holds it. */
#define ESPALIER_STORE_LOCK     ".lock"
#define ESPALIER_STORE_BUILDING ".building" /* the version that is being made */
#define ESPALIER_STORE_PRUNING  ".pruning"  /* the version that is being removed */
#define ESPALIER_STORE_NEW_LINK ".current"  /* the link that will be current */
#define ESPALIER_STORE_ABOUT    "about"

/* The highest number that has ESPALIER_STORE_DIGITS_MAX digits. */
#define ESPALIER_STORE_VERSION_MAX UINT64_C(999999999999999999)

/* The numbers of a store's versions, rising; from malloc. */
typedef struct espalier_store_numbers {
    uint64_t *numbers;
    size_t count;
    size_t other_count; /* names that belong to no store */
} espalier_store_numbers;

/* Of an open folder; its path is for messages, as below. Status: OPEN, READ, MEMORY. */
espalier_status espalier_store_read_numbers(int descriptor, const char *folder,
                                            espalier_store_numbers *numbers_out,
                                            espalier_error *error_out);

/* What a version's note says. */
typedef struct espalier_store_about {
    uint64_t previous;
    uint64_t copied_from;
} espalier_store_about;

/* Zeroes when the version has no note; a failure (OPEN, READ, MEMORY, KEY) is not the same. */
espalier_status espalier_store_read_about(int descriptor, const char *folder, uint64_t version,
                                          espalier_store_about *about_out,
                                          espalier_error *error_out);

/* Opens a file of a version for reading, by the open folder. *path_out, for messages, is malloc'ed
 * and the caller's, also after OPEN; NULL after MEMORY. */
espalier_status espalier_store_open_file(int descriptor, const char *folder, uint64_t version,
                                         const char *file, int *descriptor_out, char **path_out,
                                         espalier_error *error_out);

/* A store whose lock this call holds. Its path is looked up once: everything else goes by the
 * descriptor, so that a folder renamed or replaced meanwhile sends nothing elsewhere. */
typedef struct espalier_store_work {
    const char *folder; /* for messages */
    espalier_error *error_out;
    int lock;
    int descriptor; /* of the folder */
    uint64_t current;
    espalier_store_numbers numbers;
} espalier_store_work;

/*
 * Waits for the lock, which the system takes from a process that ends, clears away what a killed
 * one left, and reads what is there. create: makes the folder if it is missing.
 * Status: ARGUMENT, OPTIONS, BUSY, OPEN, READ, MEMORY, STORE.
 */
espalier_status espalier_store_begin(const char *folder, const espalier_store_options *options,
                                     int create, espalier_store_work *work_out,
                                     espalier_error *error_out);
void espalier_store_end(espalier_store_work *work);

/* Removes a folder of files by its name in the store, or a file or link that has this name, never
 * what a link leads to: who may write to the store must not make others remove files elsewhere.
 * What is not there is no error. Status: WRITE. */
espalier_status espalier_store_remove(const espalier_store_work *work, const char *name,
                                      espalier_error *error_out);

#endif
