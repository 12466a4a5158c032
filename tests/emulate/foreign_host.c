// SPDX-License-Identifier: Apache-2.0
/*
 * foreign_host MODEL: opens a model from its path and from memory, and says with which status:
 * what hosts answer that store numbers otherwise, or have too few bits of address. A file longer
 * than 64 MiB is not read to memory. Uses the public interface only.
 */
#include "espalier.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMORY_MAX ((size_t)64 << 20)

static void say(const char *way, espalier_status status, const espalier_error *error)
{
    (void)printf("%s: %s: %s\n", way, espalier_status_name(status),
                 status == ESPALIER_OK ? "" : error->message);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        return 2;
    }
    espalier_model *model = NULL;
    espalier_error error;
    const espalier_status status = espalier_model_open(arguments[1], NULL, &model, &error);
    say("path", status, &error);
    espalier_model_close(model);
    FILE *const file = fopen(arguments[1], "rb");
    void *const data = aligned_alloc(64, MEMORY_MAX);
    const size_t bytes = file != NULL && data != NULL ? fread(data, 1, MEMORY_MAX, file) : 0;
    if (bytes > 0 && bytes < MEMORY_MAX) {
        model = NULL;
        say("memory", espalier_model_open_memory(data, bytes, NULL, &model, &error), &error);
        espalier_model_close(model);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    free(data);
    return 0;
}
