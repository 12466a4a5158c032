// SPDX-License-Identifier: Apache-2.0
/*
 * The file map of the page: sections, and which of the file's pages are in memory. Includes
 * report.h and libc. Touches no page of the mapping it asks about.
 */
#include "espalier_inspect.h"
#include "report.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUCKETS = 192 /* of the map that is drawn */
};

void espalier_residency_take(const char *path, espalier_residency *residency)
{
    struct stat facts;
    *residency = (espalier_residency){.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE)};
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return;
    }
    if (fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0) {
        const size_t bytes = (size_t)facts.st_size;
        void *const base = mmap(NULL, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
        residency->page_count = (bytes + residency->page_bytes - 1) / residency->page_bytes;
        residency->pages = base != MAP_FAILED ? malloc(residency->page_count) : NULL;
        if (residency->pages != NULL && mincore(base, bytes, residency->pages) != 0) {
            free(residency->pages);
            residency->pages = NULL;
        }
        if (base != MAP_FAILED) {
            munmap(base, bytes);
        }
    }
    close(descriptor);
}

void espalier_residency_free(espalier_residency *residency)
{
    free(residency->pages);
    residency->pages = NULL;
}

/* Resident pages among those that hold bytes [offset, offset + bytes). */
static uint64_t count_resident(const espalier_residency *residency, uint64_t offset, uint64_t bytes,
                               uint64_t *pages_out)
{
    const uint64_t first = offset / residency->page_bytes;
    uint64_t end = (offset + bytes + residency->page_bytes - 1) / residency->page_bytes;
    uint64_t resident = 0;
    end = end < residency->page_count ? end : residency->page_count;
    *pages_out = end > first ? end - first : 0;
    for (uint64_t i = first; residency->pages != NULL && i < end; i++) {
        resident += residency->pages[i] & 1u;
    }
    return resident;
}

static json_t *make_map(const espalier_residency *residency)
{
    json_t *const map = json_object();
    json_object_set_new(map, "page_bytes", espalier_json_count(residency->page_bytes));
    json_object_set_new(map, "pages", espalier_json_count(residency->page_count));
    if (residency->pages == NULL) {
        return map;
    }
    json_t *const buckets = json_array();
    const uint64_t count = residency->page_count < BUCKETS ? residency->page_count : BUCKETS;
    uint64_t resident = 0;
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t first = i * residency->page_count / count;
        const uint64_t end = (i + 1) * residency->page_count / count;
        uint64_t here = 0;
        for (uint64_t k = first; k < end; k++) {
            here += residency->pages[k] & 1u;
        }
        resident += here;
        json_array_append_new(buckets,
                              json_integer(
                                  (json_int_t)(end > first ? here * 100 / (end - first) : 0)));
    }
    json_object_set_new(map, "resident", espalier_json_count(resident));
    json_object_set_new(map, "buckets", buckets);
    return map;
}

bool espalier_report_file(const espalier_view *view, const espalier_residency *residency,
                          json_t *page)
{
    json_t *const sections = json_array();
    espalier_section_info section;
    for (uint32_t i = 0; espalier_model_section(view->model, i, &section) == ESPALIER_OK; i++) {
        uint64_t pages = 0;
        json_t *const object = json_object();
        const uint64_t resident = count_resident(residency, section.offset, section.bytes, &pages);
        json_object_set_new(object, "name", json_string(section.name));
        json_object_set_new(object, "type", json_integer(section.type));
        json_object_set_new(object, "required", json_boolean(section.is_required));
        json_object_set_new(object, "offset", espalier_json_count(section.offset));
        json_object_set_new(object, "bytes", espalier_json_count(section.bytes));
        json_object_set_new(object, "pages", espalier_json_count(pages));
        json_object_set_new(object, "resident",
                            residency->pages != NULL ? espalier_json_count(resident) : json_null());
        json_array_append_new(sections, object);
    }
    return json_object_set_new(page, "sections", sections) == 0 &&
           json_object_set_new(page, "map", make_map(residency)) == 0;
}
