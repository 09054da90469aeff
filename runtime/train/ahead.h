/*
 * ahead.h - what a run does while its files are being read.
 */
#ifndef PTL_TRAIN_AHEAD_H
#define PTL_TRAIN_AHEAD_H

#include "train/session.h"

typedef struct ahead_source {
    data_loading *loading;
    data_preview preview;
    bool seen; /* there is a preview */
} ahead_source;

typedef struct ahead {
    ahead_source train, eval;
    ptl_status status; /* of building */
    ptl_error error;
} ahead;

/* Begins to read the job's sources. Close it in any case. */
ptl_status ahead_open(ahead *a, session *s, ptl_error *err);
/* Builds what the sources seem to ask for; ahead_data() says whether it could.
 */
void ahead_build(ahead *a, session *s);
/* Waits for the data: s->train, s->eval. What was built for other data than
 * came is gone. */
ptl_status ahead_data(ahead *a, session *s, ptl_error *err);
void ahead_close(ahead *a);

#endif
