/*
 * typed.c - what a typed program says of itself: texts, sizes, scans.
 */
#include "lang/typed.h"
#include <string.h>

static const struct op_row {
    const char *text;
    int arity;
} op_rows[] = {
#define SCALAR(name, arity, result, text) {text, arity},
#include "lang/scalar.def"
#undef SCALAR
    {"stop", 1},
};

const char *ty_op_text(ty_op op)
{
    return op_rows[op].text;
}

int ty_op_arity(ty_op op)
{
    return op_rows[op].arity;
}

const char *ty_kind_text(ty_kind kind)
{
    static const char *const texts[] = {"real", "int", "bool"};
    return texts[kind];
}

int64_t ty_element_count(const ty_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dims[i];
    return n;
}

/* ---------- scans ---------- */

const ty_carry *ty_carry_of(const ty_tensor *t)
{
    for (int i = 0; t->scan && i < t->scan->carry_count; i++)
        if (t->scan->carries[i].tensor == t)
            return &t->scan->carries[i];
    return NULL;
}

int64_t ty_steps_back(ptl_arena *arena, const ty_scan *scan, ty_expr *index)
{
    ty_linear l = ty_linearise(arena, index);
    if (l.rest || l.count != 1 || l.vars[0] != scan->var || l.coefs[0] != 1 ||
        l.constant > 0)
        return -1;
    return -l.constant;
}
