/*
 * checkpoint.h - folders `step-N` that hold all a run needs to go on.
 *
 *   step-N/model.safetensors  parameters, states, slots under their paths
 *   step-N/manifest.json      written last: readers use nothing else to find
 *                             out what is whole
 *
 * The manifest (one line) has the format version, where the run stands, the
 * data cursor, the source hash, the compiler version, the configuration, for
 * each part its size and CRC-32 with those of each tensor, and, as its last
 * member, the CRC-32 of the text before it. A checkpoint is made under a
 * temporary name and put in place at once.
 */
#ifndef PTL_TRAIN_CHECKPOINT_H
#define PTL_TRAIN_CHECKPOINT_H

#include "train/store.h"

/* Where a run stands. */
typedef struct checkpoint_info {
    const char *model, *source_hash, *config_json; /* for writing */
    int64_t step;                                  /* completed updates */
    uint64_t seed;
    int64_t batch, rows; /* of the data: the cursor is step in these */
    int64_t shards;      /* each batch was cut into so many */
    bool f64;
    char hash_found[80]; /* reading: the source hash of the file */
} checkpoint_info;

enum { CHECKPOINT_PATH = 4096 };

/* Writes `folder`/step-N; its path goes to `path`. After a failure nothing of
 * it is left, and what was there before is whole. */
ptl_status checkpoint_write(const char *folder, const checkpoint_info *info,
                            const ptl_store *store, char path[CHECKPOINT_PATH],
                            ptl_error *err);

/* `given` is a checkpoint, or a run folder: then its newest whole one. */
ptl_status checkpoint_find(const char *given, char path[CHECKPOINT_PATH],
                           ptl_error *err);
/* Reads only the manifest. */
ptl_status checkpoint_read_info(const char *path, checkpoint_info *info,
                                ptl_error *err);
/*
 * Fills the store; every tensor of it must be in the checkpoint. With `exact`
 * the checkpoint may hold nothing else; without, what is not asked for is left
 * alone. All is checked before any memory of the store changes.
 */
ptl_status checkpoint_load(const char *path, ptl_store *store, bool exact,
                           ptl_error *err);

/* Removes what a killed process left half-written in a run folder. */
void checkpoint_sweep(const char *folder);
/* Removes the folder's checkpoints except that of step `kept`. */
void checkpoint_remove_others(const char *folder, int64_t kept);
bool checkpoint_any(const char *folder);

#endif
