// SPDX-License-Identifier: Apache-2.0
/*
 * PREPARATION from the forest's preparation, which has the form of the file already.
 */
#include "convert/flatten_work.h"
#include "convert/preparation.h"

#include <string.h>

espalier_status espalier_flatten_preparation(espalier_flattening *work)
{
    const espalier_preparation *const preparation = work->forest->preparation;
    if (preparation == NULL || preparation->operation_count == 0) {
        return ESPALIER_OK;
    }
    const espalier_file_preparation head = {
        .value_count = preparation->value_count,
        .operation_count = preparation->operation_count,
        .number_count = preparation->number_count,
    };
    const size_t operation_bytes = head.operation_count * sizeof *preparation->operations;
    const size_t number_bytes = head.number_count * sizeof *preparation->numbers;
    uint8_t *const data = espalier_flatten_table(&work->flat->preparation,
                                                 sizeof head + operation_bytes + number_bytes, 1);
    if (data == NULL) {
        return espalier_flatten_fail_memory(work, "preparation");
    }
    memcpy(data, &head, sizeof head);
    memcpy(data + sizeof head, preparation->operations, operation_bytes);
    if (number_bytes > 0) {
        memcpy(data + sizeof head + operation_bytes, preparation->numbers, number_bytes);
    }
    return ESPALIER_OK;
}
