#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One object with every mutant of a file: behind each function stand whole copies of it, one for
every mutant in it, each with that one change of its text and otherwise as written. The function
asks a number that is read once, when the program starts, which of them answers for it:

    static int twice(int x) {               switch (espalier_mutant) {
                                            case 7: return twice_mutant_7(x);
                                            default: break; }
                                            return x * 2; }

So a mutant is what an edit of the source is, and costs no compiler and no linker. Copies that do
not compile are found by the names that #line gives them, and left out."""

import re
import subprocess

# What every instrumented program has: the number, and which functions were entered.
RUNTIME = """#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>
extern long espalier_mutant;
extern unsigned char *espalier_mutant_reached;
long espalier_mutant;
static unsigned char unwatched[FUNCTIONS];
unsigned char *espalier_mutant_reached = unwatched;
/* By system calls: tests put functions of their own in place of those of libc. */
__attribute__((constructor)) static void start(void)
{
    const char *const number = getenv("ESPALIER_MUTANT");
    const char *const path = getenv("ESPALIER_MUTANT_REACHED");
    espalier_mutant = number != NULL ? strtol(number, NULL, 10) : -1;
    if (path != NULL) {
        const long file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR, 0);
        const long shared = syscall(SYS_mmap, NULL, (size_t)FUNCTIONS, PROT_READ | PROT_WRITE,
                                    MAP_SHARED, file, 0);
        if (file < 0 || (unsigned long)shared > -4096UL) {
            _exit(3);
        }
        (void)syscall(SYS_close, file);
        espalier_mutant_reached = (unsigned char *)shared;
    }
}
"""
DECLARATIONS = "extern long espalier_mutant;\nextern unsigned char *espalier_mutant_reached;\n"


def text_of(source, functions, numbered, first_place):
    """A file with its mutants. numbered: [(number, function index, mutant)]; places from
    first_place on tell which functions were entered."""
    pieces, behind = [DECLARATIONS], 0
    for index, function in enumerate(functions):
        own = [(number, mutant) for number, where, mutant in numbered if where == index]
        pieces.append(source[behind:function.first])
        answer = "return " if function.returns else ""
        cases = []
        for number, (start, end, replacement) in own:
            name = f"{function.name}_mutant_{number}"
            body = source[function.body:start] + replacement + source[end:function.end]
            pieces.append(f'#line 1 "mutant-{number}"\n{function.renamed(name)}\n{body}\n')
            call = f"{name}({', '.join(function.arguments)});"
            cases.append(f"case {number}: {answer}{call}{'' if function.returns else ' return;'}")
        line = source.count("\n", 0, function.first) + 1
        pieces.append(f'#line {line} "original"\n')
        pieces.append(source[function.first:function.body + 1])
        pieces.append(f" espalier_mutant_reached[{first_place + index}] = 1;")
        pieces.append(f" switch (espalier_mutant) {{ {' '.join(cases)} default: break; }}")
        pieces.append(source[function.body + 1:function.end])
        behind = function.end
    return "".join(pieces) + source[behind:]


def build(compile_text, source, functions, numbered, first_place):
    """Compiles a file with all mutants that compile. compile_text(text) gives the compiler's
    messages, empty: done. Returns the numbers of those that do not."""
    refused = set()
    while True:
        left = [one for one in numbered if one[0] not in refused]
        errors = compile_text(text_of(source, functions, left, first_place))
        if not errors:
            return refused
        found = {int(number) for number in
                 re.findall(r"(?m)^mutant-(\d+):\d+:(?:\d+:)? (?:fatal )?error", errors)}
        if not found - refused:
            raise SystemExit(f"mutate: the instrumented source does not compile:\n{errors}")
        refused |= found


def compile_runtime(folder, function_count):
    """The object that every program is linked with."""
    source, out = folder / "mutant_runtime.c", folder / "mutant_runtime.o"
    source.write_text(RUNTIME, encoding="utf-8")
    subprocess.run(["cc", "-O1", f"-DFUNCTIONS={max(function_count, 1)}", "-c", str(source), "-o",
                    str(out)], check=True)
    return out
