/*
 * mutate.h - small mistakes in a file of PTL, one at a time: what a person who
 * writes a layer gets wrong.
 */
#ifndef PTL_MUTATE_H
#define PTL_MUTATE_H

#include "lang/ast.h"

typedef enum mutant_rule {
#define RULE(name, text, summary) RULE_##name,
#include "rules.def"
    RULE_COUNT
} mutant_rule;

/* `text` stands instead of the bytes of `at`. */
typedef struct mutant {
    mutant_rule rule;
    src_range at;
    const char *text;
    const ast_decl *decl; /* within */
} mutant;

typedef VEC(mutant) mutant_list;

const char *mutant_rule_text(mutant_rule rule);
const char *mutant_rule_summary(mutant_rule rule);

/* Every mutant of every declaration that is no test, in the order of the text.
 * The same file gives the same list. */
void mutate_file(ptl_arena *arena, const ast_file *file, mutant_list *out);

/* The whole text of the file with the mistake in it. */
const char *mutant_source(ptl_arena *arena, const mutant *m);

/* "sum(c, r, s) => sum(c, r)": the line of the text before and after, blanks
 * taken together. Tells a mutant wherever its line stands. */
const char *mutant_change(ptl_arena *arena, const mutant *m);

#endif
