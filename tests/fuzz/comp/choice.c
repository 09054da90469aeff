/*
 * choice.c - recording, replaying and shrinking decisions.
 */
#include "choice.h"
#include <stdlib.h>
#include <string.h>

void chooser_random(chooser *c, uint64_t seed)
{
    *c = (chooser){.state = seed};
}

void chooser_replay(chooser *c, const uint32_t *given, int count)
{
    *c = (chooser){.replaying = true, .given = given, .given_count = count};
}

void chooser_fini(chooser *c)
{
    free(c->taken);
    *c = (chooser){0};
}

static void take(chooser *c, uint32_t value)
{
    if (c->taken_count == c->room) {
        c->room = c->room ? 2 * c->room : 256;
        c->taken = realloc(c->taken, (size_t)c->room * sizeof *c->taken);
        if (!c->taken)
            abort();
    }
    c->taken[c->taken_count++] = value;
}

/* splitmix64 */
static uint32_t random_word(chooser *c)
{
    uint64_t z = (c->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

static uint32_t replayed(chooser *c, uint32_t count)
{
    uint32_t v = c->next < c->given_count ? c->given[c->next] : 0;
    c->next++;
    return v < count ? v : count - 1;
}

int choose(chooser *c, int count)
{
    uint32_t n = (uint32_t)(count > 0 ? count : 1);
    uint32_t v = c->replaying ? replayed(c, n) : random_word(c) % n;
    take(c, v);
    return (int)v;
}

int choose_this(chooser *c, int count, int value)
{
    if (c->replaying)
        return choose(c, count);
    take(c, (uint32_t)value);
    return value;
}

bool choose_rarely(chooser *c, int in)
{
    if (c->replaying)
        return choose(c, 2) == 1;
    bool yes = random_word(c) % (uint32_t)in == 0;
    take(c, yes);
    return yes;
}

/* ---------- shrinking ---------- */

typedef struct shrinker {
    uint32_t *best;
    int count;
    int tries;
    bool (*fails)(const uint32_t *numbers, int count, void *ctx);
    void *ctx;
} shrinker;

static bool try_numbers(shrinker *s, uint32_t *numbers, int count)
{
    if (s->tries-- > 0 && s->fails(numbers, count, s->ctx)) {
        free(s->best);
        s->best = numbers;
        s->count = count;
        return true;
    }
    free(numbers);
    return false;
}

static uint32_t *copy_without(const shrinker *s, int from, int length)
{
    uint32_t *numbers = malloc(((size_t)s->count + 1) * sizeof *numbers);
    if (!numbers)
        abort();
    memcpy(numbers, s->best, (size_t)from * sizeof *numbers);
    memcpy(numbers + from, s->best + from + length,
           (size_t)(s->count - from - length) * sizeof *numbers);
    return numbers;
}

static bool delete_blocks(shrinker *s, int length)
{
    bool any = false;
    for (int i = s->count - length; i >= 0 && s->tries > 0; i--)
        if (i + length <= s->count)
            any = try_numbers(s, copy_without(s, i, length),
                              s->count - length) ||
                  any;
    return any;
}

static bool lower(shrinker *s, int at, uint32_t to)
{
    uint32_t *numbers = copy_without(s, 0, 0);
    numbers[at] = to;
    return try_numbers(s, numbers, s->count);
}

static bool lower_numbers(shrinker *s)
{
    bool any = false;
    for (int i = 0; i < s->count && s->tries > 0; i++) {
        uint32_t v = s->best[i];
        if (v == 0)
            continue;
        any = lower(s, i, 0) || (v > 2 && lower(s, i, v / 2)) ||
              lower(s, i, v - 1) || any;
    }
    return any;
}

uint32_t *choice_shrink(const uint32_t *numbers, int count, int tries,
                        bool (*fails)(const uint32_t *numbers, int count,
                                      void *ctx),
                        void *ctx, int *shrunk_count)
{
    shrinker s = {.count = count, .tries = tries, .fails = fails, .ctx = ctx};
    s.best = malloc(((size_t)count + 1) * sizeof *s.best);
    if (!s.best)
        abort();
    memcpy(s.best, numbers, (size_t)count * sizeof *numbers);
    for (bool any = true; any && s.tries > 0;) {
        any = false;
        for (int length = 32; length >= 1; length /= 2)
            any = delete_blocks(&s, length) || any;
        any = lower_numbers(&s) || any;
    }
    *shrunk_count = s.count;
    return s.best;
}
