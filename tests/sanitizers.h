/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests: what sanitizer they are built with.  A plain build walks the whole of every grid; where a sanitizer makes the
 * same code tens of times slower and the points differ in nothing that it looks at, it walks fewer of them.
 */
#ifndef SKIMP_TEST_SANITIZERS_H
#define SKIMP_TEST_SANITIZERS_H

#if defined(__has_feature)
#define TEST_HAS_FEATURE(name) __has_feature(name)
#else
#define TEST_HAS_FEATURE(name) 0
#endif

#if defined(__SANITIZE_THREAD__) || TEST_HAS_FEATURE(thread_sanitizer)
enum { UNDER_TSAN = 1, UNDER_ASAN = 0 };
#elif defined(__SANITIZE_ADDRESS__) || TEST_HAS_FEATURE(address_sanitizer)
enum { UNDER_TSAN = 0, UNDER_ASAN = 1 };
#else
enum { UNDER_TSAN = 0, UNDER_ASAN = 0 };
#endif
enum { SANITIZED = UNDER_TSAN || UNDER_ASAN };

#endif
