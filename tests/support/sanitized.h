// SPDX-License-Identifier: Apache-2.0
/*
 * Whether a sanitizer watches this program: it has an allocator and a mmap of its own, replaces
 * mlock by nothing, and takes several times as long.
 */
#ifndef TESTS_SUPPORT_SANITIZED_H
#define TESTS_SUPPORT_SANITIZED_H

#include <stdlib.h> /* says whether this is glibc */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Tests that put an allocator in place of libc's: glibc's alone can be replaced in this way. */
#if SANITIZED || !defined(__GLIBC__)
#define HAS_OTHER_ALLOCATOR 1
#endif

#endif
