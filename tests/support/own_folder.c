// SPDX-License-Identifier: Apache-2.0
/*
 * See own_folder.h.
 */
#include "tests/support/own_folder.h"

#include "tests/support/remove_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "test-XXXXXX";
static pid_t owner;

/* A child that exits leaves it to its parent. */
static void leave(void)
{
    if (getpid() == owner && (chdir("..") != 0 || remove_tree(folder) != 0)) {
        perror(folder);
    }
}

void own_folder_enter(void)
{
    owner = getpid();
    if (mkdtemp(folder) == NULL || chdir(folder) != 0 || atexit(leave) != 0) {
        perror(folder);
        exit(EXIT_FAILURE);
    }
}
