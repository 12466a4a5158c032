// SPDX-License-Identifier: Apache-2.0
/*
 * Writing a model file: lay out sections, checksum, digest, publish. Write side only: part of
 * libespalier_convert. The writer knows sections, not their meaning; it never writes a file in
 * place.
 */
#ifndef ESPALIER_FORMAT_WRITER_H
#define ESPALIER_FORMAT_WRITER_H

#include "espalier.h"

#include <stdint.h>

/* A section to write. The data stay the caller's and must live until the file is written. */
typedef struct espalier_writer_section {
    uint32_t type; /* ESPALIER_SECTION_... */
    uint16_t flags;
    const void *data;
    uint64_t bytes;
} espalier_writer_section;

/*
 * Writes sections[section_count] (any order; sorted by type here, which is the file's order) to a
 * new temporary file in the folder of model_path and syncs it. Deterministic: the same sections
 * give the same bytes. On success *temporary_out is the temporary file's path (malloc, the caller
 * frees it), to be published or discarded. Status: ARGUMENT (sections empty, given twice, or no
 * cold one last), OPEN, WRITE, SYNC, LIMIT, MEMORY.
 */
espalier_status espalier_writer_write(const char *model_path,
                                      const espalier_writer_section *sections,
                                      uint32_t section_count, char **temporary_out,
                                      uint64_t *file_bytes_out, espalier_error *error_out);

/*
 * Renames the temporary file over model_path and syncs the folder. Frees nothing. After SYNC the
 * file has its name, but may lose it in a crash. Status: OPEN, MEMORY, RENAME, SYNC.
 */
espalier_status espalier_writer_publish(const char *temporary, const char *model_path,
                                        espalier_error *error_out);

/* Removes the temporary file; keeps quiet. */
void espalier_writer_discard(const char *temporary);

#endif
