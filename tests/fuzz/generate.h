/*
 * generate.h - inputs for the fuzzer: mutations of a corpus, and programs that
 * follow the grammar.
 */
#ifndef PTL_FUZZ_GENERATE_H
#define PTL_FUZZ_GENERATE_H

#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct random_state {
    uint64_t word; /* the seed, then the state (splitmix64) */
} random_state;

/* 0 .. n-1 */
int random_below(random_state *r, int n);

typedef struct corpus_text {
    const char *bytes;
    size_t size;
} corpus_text;

typedef struct corpus {
    ptl_arena *arena;
    VEC(corpus_text) texts;
    VEC(corpus_text) words; /* every word of every text */
} corpus;

/* Copies. */
void corpus_add(corpus *c, const char *bytes, size_t size);

/* Adds one input to the empty `out`. */
void make_input(const corpus *c, random_state *r, ptl_str *out);

#endif
