// SPDX-License-Identifier: Apache-2.0
/*
 * See remove_tree.h.
 */
#include "tests/support/remove_tree.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
    (void)facts;
    (void)kind;
    (void)place;
    return remove(path);
}

int remove_tree(const char *path)
{
    const int result = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return result != 0 && errno == ENOENT ? 0 : result;
}
