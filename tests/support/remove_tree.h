// SPDX-License-Identifier: Apache-2.0
/*
 * Removing what a test made.
 */
#ifndef TESTS_SUPPORT_REMOVE_TREE_H
#define TESTS_SUPPORT_REMOVE_TREE_H

/* Removes a folder and all in it, or a file; what is not there is no error. 0, or -1. */
int remove_tree(const char *path);

#endif
