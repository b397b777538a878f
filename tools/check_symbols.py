#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks on the built library that all memory comes through the budget and that the library neither prints nor exits.

    tools/check_symbols.py OBJECTS.a LIBSKIMP.so [--nm NM]

Looks at what each object refers to, so no source, macro or inlining can hide a call. Prints each violation and ends
with 1 if there was one.
"""

import argparse
import re
import subprocess
import sys
from collections import defaultdict

# The object of src/base/budget.c, as meson names it.
BUDGET = re.compile(r"(^|_)base_budget\.c\.o$")
# The object that maps pages for it.
PAGES = re.compile(r"(^|_)os_memory_linux\.c\.o$")

ALLOCATE = set(
    """malloc calloc realloc reallocarray free cfree posix_memalign aligned_alloc memalign valloc pvalloc malloc_trim
    mallopt malloc_usable_size sbrk brk""".split()
)
MAP = set("mmap mmap64 mremap munmap".split())
# These allocate behind the caller's back.
ALLOCATE_INSIDE = set(
    """strdup strndup __strdup __strndup asprintf vasprintf __asprintf_chk __vasprintf_chk open_memstream fmemopen
    open_wmemstream fopen fopen64 fdopen freopen freopen64 tmpfile tmpfile64 popen getline getdelim __getdelim opendir
    fdopendir scandir scandir64 ftw nftw glob wordexp regcomp setlocale newlocale uselocale iconv_open dlopen tsearch
    hcreate hcreate_r qsort qsort_r putenv setenv getaddrinfo getpwnam getpwuid localtime localtime_r mktime tzset
    pthread_atfork atexit on_exit strerror
    gzopen gzopen64 gzdopen compress compress2 uncompress uncompress2
    ZSTD_createCCtx ZSTD_createDCtx ZSTD_createCStream ZSTD_createDStream ZSTD_createCDict ZSTD_createDDict
    ZSTD_compress ZSTD_decompress""".split()
)
ALLOCATE_INSIDE_PREFIX = ("json_",)
PRINT = set(
    """printf vprintf puts putchar perror stdout stderr psignal __printf_chk __vprintf_chk warn warnx vwarn err errx
    error error_at_line syslog""".split()
)
END = set("exit _exit _Exit quick_exit abort raise kill __assert_fail longjmp siglongjmp".split())
EXPORTED = re.compile(r"^(skimp_|skimpi_fault_|skimpi_leaked_)")  # the last two are for tests


def undefined_symbols(nm: str, archive: str) -> dict[str, set[str]]:
    """What each object of the archive refers to and does not define."""
    output = subprocess.run([nm, "--undefined-only", "-A", archive], check=True, capture_output=True, text=True).stdout
    found: dict[str, set[str]] = defaultdict(set)
    for line in output.splitlines():
        # archive.a:object.c.o:                 U name
        place, _, name = line.rpartition(" U ")
        if name:
            member = place.rstrip().rstrip(":").split(":")[-1]
            found[member].add(name.strip().split("@")[0])
    return found


def exported_symbols(nm: str, library: str) -> list[str]:
    output = subprocess.run([nm, "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    return [line.split()[-1].split("@")[0] for line in output.splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive")
    parser.add_argument("library")
    parser.add_argument("--nm", default="nm")
    arguments = parser.parse_args()

    problems: list[str] = []
    objects = undefined_symbols(arguments.nm, arguments.archive)
    for name, symbols in sorted(objects.items()):
        for symbol in sorted(symbols):
            if symbol in ALLOCATE and not BUDGET.search(name):
                problems.append(f"{name}: calls {symbol}; only the budget may")
            elif symbol in MAP and not PAGES.search(name):
                problems.append(f"{name}: calls {symbol}; only os_memory_linux.c may")
            elif symbol in ALLOCATE_INSIDE or symbol.startswith(ALLOCATE_INSIDE_PREFIX):
                problems.append(f"{name}: calls {symbol}, which allocates outside of the budget")
            elif symbol in PRINT:
                problems.append(f"{name}: refers to {symbol}; the library does not print")
            elif symbol in END:
                problems.append(f"{name}: calls {symbol}; the library does not end the process")
    # A check that looked at the wrong files would find nothing wrong with them.
    if not any(BUDGET.search(name) and "calloc" in symbols for name, symbols in objects.items()):
        problems.append(f"{arguments.archive}: the budget's object, with its call of calloc, is not there")
    exported = exported_symbols(arguments.nm, arguments.library)
    if "skimp_alloc" not in exported:
        problems.append(f"{arguments.library} does not export skimp_alloc")
    problems.extend(f"{arguments.library} exports {name}" for name in exported if not EXPORTED.search(name))

    for problem in problems:
        print(problem)
    print(f"{len(objects)} objects, {len(exported)} exported symbols, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
