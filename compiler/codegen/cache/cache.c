/*
 * cache.c - machine code kept on disk between runs.
 *
 * An entry is one file, named by its key: a hash of all that decides about the
 * code. It is written beside its place and renamed, so a reader sees a whole
 * file or none; a checksum in the header finds what the disk or anyone else did
 * to it since. An entry that is not exactly right is as good as none. Because
 * it is code, an entry that another user could have written is none either.
 */
#include "codegen/cache/cache.h"
#include "base/status.h"
#include "base/str.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <llvm-c/Core.h>
#include <llvm-c/blake3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_OBJECTS = 64, DIGEST_BYTES = 32 };
static const char magic[8] = "PTLCODE1";
static const uint64_t most_bytes = (uint64_t)1 << 30;

typedef struct header {
    char magic[8];
    uint8_t key[DIGEST_BYTES];
    uint8_t digest[DIGEST_BYTES]; /* of everything after the header */
    uint64_t object_count;
    uint64_t payload_bytes; /* object sizes (u64 each), then the objects */
} header;

void code_objects_free(code_object *objects, int count)
{
    for (int i = 0; objects && i < count; i++)
        free(objects[i].bytes);
    free(objects);
}

/* ---------- keys ---------- */

code_key code_key_of(const char *const *parts)
{
    unsigned version[3];
    llvm_blake3_hasher h;
    code_key key;
    LLVMGetVersion(&version[0], &version[1], &version[2]);
    llvm_blake3_hasher_init(&h);
    llvm_blake3_hasher_update(&h, version, sizeof version);
    for (int i = 0; parts[i]; i++)
        llvm_blake3_hasher_update(&h, parts[i], strlen(parts[i]) + 1);
    llvm_blake3_hasher_finalize(&h, key.bytes, sizeof key.bytes);
    return key;
}

static void digest(const void *bytes, size_t size, uint8_t out[DIGEST_BYTES])
{
    llvm_blake3_hasher h;
    llvm_blake3_hasher_init(&h);
    llvm_blake3_hasher_update(&h, bytes, size);
    llvm_blake3_hasher_finalize(&h, out, DIGEST_BYTES);
}

static void entry_path(const char *dir, const code_key *key, ptl_str *out)
{
    str_printf(out, "%s/", dir);
    for (int i = 0; i < 16; i++)
        str_printf(out, "%02x", key->bytes[i]);
    str_add(out, ".code");
}

/* ---------- reading ---------- */

static bool read_all(int fd, void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, (char *)to + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* Ours, written by nobody else, and of a size that can be right. */
static bool is_trusted(int fd, uint64_t *size)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return false;
    *size = (uint64_t)st.st_size;
    return *size >= sizeof(header) && *size <= most_bytes;
}

static bool header_fits(const header *h, const code_key *key, uint64_t size)
{
    return memcmp(h->magic, magic, sizeof magic) == 0 &&
           memcmp(h->key, key->bytes, DIGEST_BYTES) == 0 &&
           h->object_count >= 1 && h->object_count <= MOST_OBJECTS &&
           h->payload_bytes == size - sizeof *h &&
           h->payload_bytes >= h->object_count * sizeof(uint64_t);
}

/* Splits a payload whose checksum is right. */
static code_object *split_payload(const char *payload, uint64_t bytes,
                                  uint64_t count)
{
    uint64_t at = count * sizeof(uint64_t);
    code_object *objects = calloc(count, sizeof *objects);
    PTL_ASSERT(objects);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t size;
        memcpy(&size, payload + i * sizeof size, sizeof size);
        if (size > bytes - at) {
            code_objects_free(objects, (int)i);
            return NULL;
        }
        objects[i].size = size;
        objects[i].bytes = malloc(size ? size : 1);
        PTL_ASSERT(objects[i].bytes);
        memcpy(objects[i].bytes, payload + at, size);
        at += size;
    }
    return objects;
}

static bool read_entry(int fd, const code_key *key, code_object **out,
                       int *count)
{
    header h;
    uint64_t size = 0;
    uint8_t sum[DIGEST_BYTES];
    if (!is_trusted(fd, &size) || !read_all(fd, &h, sizeof h) ||
        !header_fits(&h, key, size))
        return false;
    char *payload = malloc(h.payload_bytes);
    if (!payload)
        return false;
    *out = NULL;
    if (read_all(fd, payload, h.payload_bytes)) {
        digest(payload, h.payload_bytes, sum);
        if (memcmp(sum, h.digest, sizeof sum) == 0)
            *out = split_payload(payload, h.payload_bytes, h.object_count);
    }
    free(payload);
    *count = (int)h.object_count;
    return *out != NULL;
}

bool code_cache_load(const char *dir, const code_key *key, code_object **out,
                     int *count)
{
    ptl_str path = {0};
    entry_path(dir, key, &path);
    int fd = open(str_text(&path), O_RDONLY | O_CLOEXEC);
    str_fini(&path);
    if (fd < 0)
        return false;
    bool good = read_entry(fd, key, out, count);
    close(fd);
    return good;
}

/* ---------- writing ---------- */

static bool write_all(int fd, const void *from, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)from + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* Makes `dir` and what leads to it; whether that worked shows when the file is
 * opened. */
static void make_dirs(const char *dir)
{
    char path[PATH_MAX];
    size_t length = strlen(dir);
    if (length == 0 || length >= sizeof path)
        return;
    memcpy(path, dir, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (path[i] != '/')
            continue;
        path[i] = '\0';
        mkdir(path, 0700);
        path[i] = '/';
    }
    mkdir(path, 0700);
}

static void build_payload(const code_object *objects, int count, ptl_str *out)
{
    for (int i = 0; i < count; i++) {
        uint64_t size = objects[i].size;
        str_addn(out, (const char *)&size, sizeof size);
    }
    for (int i = 0; i < count; i++)
        str_addn(out, objects[i].bytes, objects[i].size);
}

static bool write_entry(const char *path, const header *h,
                        const ptl_str *payload)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = write_all(fd, h, sizeof *h) &&
                write_all(fd, payload->data, payload->length);
    return close(fd) == 0 && good;
}

void code_cache_store(const char *dir, const code_key *key,
                      const code_object *objects, int count)
{
    static _Atomic unsigned counter; /* one name for each writer's file */
    ptl_str payload = {0}, path = {0}, temporary = {0};
    header h = {.object_count = (uint64_t)count};
    PTL_ASSERT(count >= 1 && count <= MOST_OBJECTS);
    make_dirs(dir);
    build_payload(objects, count, &payload);
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.key, key->bytes, DIGEST_BYTES);
    h.payload_bytes = payload.length;
    digest(payload.data, payload.length, h.digest);

    entry_path(dir, key, &path);
    str_printf(&temporary, "%s.%ld.%u", str_text(&path), (long)getpid(),
               counter++);
    if (!write_entry(str_text(&temporary), &h, &payload) ||
        rename(str_text(&temporary), str_text(&path)) != 0)
        unlink(str_text(&temporary));
    str_fini(&payload);
    str_fini(&path);
    str_fini(&temporary);
}
