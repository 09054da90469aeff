/*
 * session.h - what training, evaluation and prediction share: the job, its
 * data, its tensors, and the programs built so far.
 */
#ifndef PTL_TRAIN_SESSION_H
#define PTL_TRAIN_SESSION_H

#include "runtime/data.h"
#include "runtime/train.h"
#include "train/checkpoint.h"
#include "train/store.h"

/* A program made ready to run on batches of a fixed number of records. */
typedef struct session_program {
    ptl_program_kind kind;
    int64_t rows;
    ptl_program *program;
    ptl_run *run;
    int *field_of; /* of each buffer: index of the raw field, -1: none */
    int loss, lr;  /* outputs, -1: none */
} session_program;

/* train/peers.h */
struct train_peers;

typedef struct session {
    ptl_job *job;
    const train_options *options;
    struct train_peers *peers; /* of a worker of a cluster; NULL: none */
    struct device_block *copy; /* of the store on devices; NULL: none */
    FILE *output, *notes;
    ptl_pool *pool;
    ptl_dataset *train, *eval; /* eval NULL: none */
    ptl_store store;
    session_program *programs[16];
    int program_count;
    /* Of all programs: no two run at the same time. */
    void *arena;
    size_t arena_bytes;
    int64_t average_from; /* updates before the mean of the weights begins */
    double data_s, data_wait_s; /* reading; waiting until it was done */
    double compile_s;
} session;

ptl_status session_open(session *s, ptl_job *job, const train_options *options,
                        ptl_error *err);
void session_close(session *s);

data_options session_data_options(const session *s);
/* Reads one of the job's sources. */
ptl_status session_data(session *s, const ptl_job_source *source,
                        ptl_dataset **out, ptl_error *err);

/* Builds the program of `kind` for `rows` records with the given raw fields,
 * or gives the one built before. Its persistent buffers are bound once the
 * store has memory. */
ptl_status session_build(session *s, ptl_program_kind kind, int64_t rows,
                         const ptl_job_tensor *raw, int raw_count,
                         session_program **out, ptl_error *err);
ptl_status session_build_for(session *s, ptl_program_kind kind, int64_t rows,
                             const ptl_dataset *data, session_program **out,
                             ptl_error *err);
/* Releases what was built for `kind`. */
void session_forget(session *s, ptl_program_kind kind);

/* Binds the batch's fields, in the order of the raw fields given to build. */
void session_bind_fields(session_program *p, void *const *fields);
/* A scalar output as a double; NaN where there is none. */
double session_scalar(const session_program *p, int buffer);
/* Sets every scalar a program may ask for. */
void session_set_scalars(const session *s, session_program *p, int64_t step,
                         int64_t epoch, int64_t total_steps);
/* The checkpoint that --from names, and what its manifest says. */
ptl_status session_find_from(const train_options *options,
                             char path[CHECKPOINT_PATH], checkpoint_info *info,
                             ptl_error *err);
/*
 * Where the job has a device: its copy of the store, made when the store is
 * there. Tensors stay where they were changed: the host's are brought up to
 * date by session_fetch() before they are read; session_changed() says that all
 * of them were written, session_wrote() one.
 */
ptl_status session_place(session *s, ptl_error *err);
/* In a cluster: what the last exchange brought is in the store. Before anything
 * but a step reads it; session_fetch() does it too. */
ptl_status session_settle(session *s, ptl_error *err);
ptl_status session_fetch(session *s, ptl_error *err);
void session_changed(session *s);
void session_wrote(session *s, const store_tensor *tensor);

/* Memory for the tensors of the programs built so far, filled from the
 * checkpoint at `path`. */
ptl_status session_load(session *s, const char *path, ptl_error *err);
/* With --time: one line for each phase all of these have. */
void session_report_times(const session *s);
/* Memory of programs, parameters, states and slots. */
int64_t session_bytes(const session *s);

#endif
