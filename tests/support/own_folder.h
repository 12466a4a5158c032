// SPDX-License-Identifier: Apache-2.0
/*
 * A folder of its own for a test program that writes files, so that the same program may run twice
 * at once in one folder.
 */
#ifndef TESTS_SUPPORT_OWN_FOLDER_H
#define TESTS_SUPPORT_OWN_FOLDER_H

/*
 * Makes a folder in the current one, on the same file system, and goes there; it is removed with
 * all in it when the process that called exits. Ends the program where that cannot be.
 */
void own_folder_enter(void);

#endif
