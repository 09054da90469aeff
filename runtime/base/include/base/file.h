/*
 * file.h - whole files in, whole files out, and folders.
 *
 * A file that is written appears under its name complete or not at all:
 * everything goes to a temporary name beside it, is synced, renamed, and the
 * folder is synced. Failures name the path and the system's reason.
 */
#ifndef PTL_BASE_FILE_H
#define PTL_BASE_FILE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct ptl_bytes {
    unsigned char *data; /* on the heap; one NUL follows the last byte */
    size_t size;
} ptl_bytes;

ptl_status file_read(const char *path, ptl_bytes *out, ptl_error *err);
/*
 * The same, and what begins as gzip is unpacked (several members one after
 * the other count as one). Truncated or damaged gzip data, and bytes after the
 * last member, are E_DATA.
 */
ptl_status file_read_gz(const char *path, ptl_bytes *out, ptl_error *err);
/* The first `*size` unpacked bytes at most, and how many they are; false where
 * the file cannot be read or unpacked so far. */
bool file_head_gz(const char *path, unsigned char *to, size_t *size);
void bytes_free(ptl_bytes *bytes);
/* Room for `size` bytes and a NUL, to be freed with free(); large blocks ask
 * for huge pages. NULL: not to be had. */
unsigned char *bytes_room(size_t size);

/* A file in the making. */
typedef struct file_out file_out;
ptl_status file_create(const char *path, file_out **out, ptl_error *err);
ptl_status file_write(file_out *file, const void *bytes, size_t size,
                      ptl_error *err);
/* Both end `file`. Commit syncs and renames; where that fails, nothing is left
 * behind. Abandon removes the temporary file; accepts NULL. */
ptl_status file_commit(file_out *file, ptl_error *err);
void file_abandon(file_out *file);

ptl_status file_write_whole(const char *path, const void *bytes, size_t size,
                            ptl_error *err);

bool file_exists(const char *path);
bool folder_exists(const char *path);
/* Makes the folder and those above it; one that is there is fine. */
ptl_status folder_make(const char *path, ptl_error *err);
/* Makes what was renamed or removed in the folder last. */
ptl_status folder_sync(const char *path, ptl_error *err);
/* Removes it and what it holds; one that is not there is fine. Links are
 * removed, not followed. */
ptl_status folder_remove(const char *path, ptl_error *err);
/*
 * Puts the folder `from` in place of `to` (both on one file system), at once:
 * at no time is `to` missing or mixed. Where `to` was there, its old content
 * is removed after.
 */
ptl_status folder_replace(const char *from, const char *to, ptl_error *err);

#endif
