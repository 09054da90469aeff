/*
 * checkpoint_write.c - saves a run so that a crash at any moment leaves either
 * no checkpoint of this step or a whole one.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/plant.h"
#include "runtime/tensor_file.h"
#include "train/checkpoint.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static const char part_name[] = "model.safetensors";

static tensor_entry *entries_of(const ptl_store *store, int *count)
{
    tensor_entry *entries = calloc((size_t)store->count + 1, sizeof *entries);
    *count = 0;
    for (int i = 0; entries && i < store->count; i++) {
        const store_tensor *t = &store->items[i];
        if (!t->saved || (t->role == PTL_ROLE_STATE &&
                          ptl_is_planted(PTL_PLANT_STATES_LOST)))
            continue;
        bool cut = ptl_is_planted(PTL_PLANT_NAME_CUT);
        tensor_entry *e = &entries[(*count)++];
        *e = (tensor_entry){.name = t->path + (cut ? strcspn(t->path, ".") : 0),
                            .dtype = t->dtype,
                            .rank = t->rank,
                            .bytes = t->memory,
                            .size = t->size};
        memcpy(e->dims, t->dims, sizeof t->dims);
    }
    return entries;
}

static void print_tensors(json_out *j, const ptl_store *store)
{
    json_key(j, "tensors");
    json_open(j, '{');
    for (int i = 0; i < store->count; i++) {
        const store_tensor *t = &store->items[i];
        if (!t->saved)
            continue;
        uLong crc = crc32_z(crc32_z(0, NULL, 0), t->memory, t->size);
        json_key(j, t->path);
        json_int(j, (int64_t)crc);
    }
    json_close(j, '}');
}

static void print_cursor(json_out *j, const checkpoint_info *info)
{
    int64_t steps = (info->rows + info->batch - 1) / info->batch;
    json_key(j, "cursor");
    json_open(j, '{');
    json_key(j, "epoch");
    json_int(j, info->step / steps);
    json_key(j, "step_in_epoch");
    json_int(j, info->step % steps);
    json_key(j, "batch");
    json_int(j, info->batch);
    json_key(j, "rows");
    json_int(j, info->rows);
    json_close(j, '}');
}

static void print_manifest(const checkpoint_info *info, const ptl_store *store,
                           const tensor_file_sum *part, ptl_str *out)
{
    char seed[24];
    json_out j = {.text = out};
    snprintf(seed, sizeof seed, "%" PRIu64, info->seed);
    json_open(&j, '{');
    json_key(&j, "format");
    json_int(&j, 1);
    json_key(&j, "model");
    json_text(&j, info->model);
    json_key(&j, "step");
    json_int(&j, info->step);
    print_cursor(&j, info);
    json_key(&j, "seed"); /* as text: JSON readers lose bits above 2^53 */
    json_text(&j, seed);
    json_key(&j, "shards");
    json_int(&j, info->shards);
    json_key(&j, "real");
    json_text(&j, info->f64 ? "f64" : "f32");
    json_key(&j, "source_hash");
    json_text(&j, info->source_hash);
    json_key(&j, "compiler");
    json_text(&j, "ptlc " PTL_VERSION);
    json_key(&j, "config");
    json_raw(&j, info->config_json);
    json_key(&j, "parts");
    json_open(&j, '[');
    json_open(&j, '{');
    json_key(&j, "file");
    json_text(&j, part_name);
    json_key(&j, "bytes");
    json_int(&j, (int64_t)part->bytes);
    json_key(&j, "crc32");
    json_int(&j, part->crc);
    print_tensors(&j, store);
    json_close(&j, '}');
    json_close(&j, ']');
    uLong crc =
        crc32_z(crc32_z(0, NULL, 0), (const Bytef *)out->data, out->length);
    json_key(&j, "crc32");
    json_int(&j, (int64_t)crc);
    json_close(&j, '}');
    str_addc(out, '\n');
}

/* Both files into the folder `at`, the manifest last. */
static ptl_status write_files(const char *at, const checkpoint_info *info,
                              const ptl_store *store, ptl_error *err)
{
    char path[CHECKPOINT_PATH + 32];
    int count;
    tensor_entry *entries = entries_of(store, &count);
    if (!entries)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a checkpoint");
    tensor_file_sum sum;
    snprintf(path, sizeof path, "%s/%s", at, part_name);
    ptl_status st = tensor_file_write(path, entries, count, &sum, err);
    free(entries);
    if (st != PTL_OK)
        return st;
    ptl_str text = {0};
    print_manifest(info, store, &sum, &text);
    snprintf(path, sizeof path, "%s/manifest.json", at);
    st = file_write_whole(path, text.data, text.length, err);
    str_fini(&text);
    return st;
}

ptl_status checkpoint_write(const char *folder, const checkpoint_info *info,
                            const ptl_store *store, char path[CHECKPOINT_PATH],
                            ptl_error *err)
{
    char temporary[CHECKPOINT_PATH];
    int length =
        snprintf(path, CHECKPOINT_PATH, "%s/step-%" PRId64, folder, info->step);
    int longer =
        snprintf(temporary, sizeof temporary, "%s/step-%" PRId64 ".tmp-%ld",
                 folder, info->step, (long)getpid());
    if (length >= CHECKPOINT_PATH || longer >= CHECKPOINT_PATH)
        return ptl_fail(err, PTL_E_IO, "\"%s\": the path is too long", folder);
    ptl_status st = folder_remove(temporary, err);
    if (st == PTL_OK)
        st = folder_make(temporary, err);
    if (st == PTL_OK)
        st = write_files(temporary, info, store, err);
    if (st == PTL_OK)
        st = folder_sync(temporary, err);
    if (st == PTL_OK)
        st = folder_replace(temporary, path, err);
    if (st == PTL_OK)
        return folder_sync(folder, err);
    folder_remove(temporary, NULL);
    return st;
}
