/*
 * special.c - special registers.
 */
#include "special.h"
#include "lanes.h"

static const struct {
    const char *name;
    int bytes;
} specials[] = {
#define SPECIAL(name, id, bytes, value) {"%" name, bytes},
#include "special.def"
#undef SPECIAL
};

enum {
#define SPECIAL(name, id, bytes, value) IS_##id,
#include "special.def"
#undef SPECIAL
};

int special_find(const char *name, int *bytes)
{
    for (unsigned s = 0; s < sizeof specials / sizeof *specials; s++)
        if (strcmp(specials[s].name, name) == 0) {
            *bytes = specials[s].bytes;
            return (int)s;
        }
    return -1;
}

static u64 value_of(int which, const warp *w, unsigned l)
{
    const block *b = w->block;
    const launch *L = b->launch;
    unsigned t = w->index * LANES + l;
    switch (which) {
#define SPECIAL(name, id, bytes, value)                                        \
    case IS_##id:                                                              \
        return value;
#include "special.def"
#undef SPECIAL
    default:
        return 0;
    }
}

/* Only which block it is changes between the blocks of a launch. */
static bool is_of_block(int which)
{
    return which == IS_ctaid_x || which == IS_ctaid_y || which == IS_ctaid_z;
}

static void fill(const warp *w, bool of_block)
{
    const kernel *k = w->block->launch->kernel;
    for (int s = 0; s < k->specials.count; s++) {
        const special_register *r = &k->specials.data[s];
        if (is_of_block(r->which) != of_block)
            continue;
        EACH_LANE (l)
            AT(w, r->at, u32)[l] = (u32)value_of(r->which, w, (unsigned)l);
    }
}

void special_fill_launch(const warp *w)
{
    fill(w, false);
}

void special_fill_block(const warp *w)
{
    fill(w, true);
}
