/*
 * clang.c - CUDA C to PTX, by Debian's clang-14.
 */
#include "virtual/clang.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>

bool clang_is_there(void)
{
    return system("clang-14 --version >/dev/null 2>&1") == 0;
}

char *clang_compile(const char *path, int arch)
{
    ptl_str text = {0};
    char command[2048], piece[4096];
    size_t got;
    snprintf(command, sizeof command,
             "clang-14 -x cuda --cuda-device-only --cuda-gpu-arch=sm_%d "
             "-nocudainc -nocudalib -Wno-unknown-cuda-version -fms-extensions "
             "-Xclang -target-feature -Xclang +ptx72 -O2 -ffp-contract=off "
             "-include %s/tests/unit/device/kernels/clang.h -S -o - %s",
             arch, PTL_SOURCE_DIR, path);
    FILE *out = popen(command, "r");
    if (!out)
        return NULL;
    while ((got = fread(piece, 1, sizeof piece, out)) > 0)
        str_addn(&text, piece, got);
    if (pclose(out) != 0)
        str_fini(&text);
    return text.data;
}
