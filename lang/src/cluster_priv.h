/*
 * cluster_priv.h - what the files that read a cluster block share.
 */
#ifndef PTL_LANG_CLUSTER_PRIV_H
#define PTL_LANG_CLUSTER_PRIV_H

#include "elab_priv.h"
#include "lang/cluster.h"

typedef enum cluster_kind {
    HOSTS,
    DEVICES,
    COUNT,
    SWITCH,
    BYTES,
    TIME,
    WORD,
    POLICY,
} cluster_kind;

typedef struct cluster_row {
    const char *name;
    cluster_kind kind;
    const char *words; /* "a|b(k)"; NULL: none */
    const char *fallback;
    int64_t low, high;
    size_t field; /* offset in typed_cluster */
} cluster_row;

extern const cluster_row cluster_rows[CLUSTER_KEY_COUNT];

/* One key being read: from the file, or from a --set. */
typedef struct cluster_reading {
    elab *e;
    scope *scope; /* hypers */
    typed_cluster *out;
    cluster_key key;
    src_range at;     /* of the value; nowhere for a --set or a default */
    const char *set;  /* what --set said; NULL: it did not */
    ptl_diags *diags; /* of a --set: where its own messages go */
} cluster_reading;

/* Says what is wrong with the key's value; false. */
bool cluster_wrong(const cluster_reading *r, src_range at, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));

/* Puts the value of SETTING or ON statement `st` into r->out; false after an
 * error. */
bool cluster_value(cluster_reading *r, const ast_stmt *st);

/* Defaults that follow from other keys, and values that exclude each other. By
 * key: where the file gave it (nowhere: it did not), what --set said (NULL). */
void cluster_rules(elab *e, const src_range *at, const char *const *sets);

#endif
