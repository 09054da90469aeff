/*
 * file.c - reading whole files, and writing them so that a crash at any point
 * leaves the old one or the new one.
 */
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static ptl_status fail_errno(ptl_error *err, const char *what, const char *path)
{
    return ptl_fail(err, PTL_E_IO, "could not %s \"%s\": %s", what, path,
                    strerror(errno));
}

/* A first touch of small pages would take longer than reading the file. */
unsigned char *bytes_room(size_t size)
{
    const size_t huge_page = (size_t)2 << 20;
    if (size > (size_t)INT64_MAX - 2 * huge_page)
        return NULL;
    if (size < 2 * huge_page)
        return malloc(size + 1);
    size_t whole = (size + huge_page) / huge_page * huge_page;
    unsigned char *room = aligned_alloc(huge_page, whole);
    if (room)
        madvise(room, whole, MADV_HUGEPAGE);
    return room;
}

static bool grow(ptl_bytes *b, size_t room)
{
    unsigned char *data =
        b->data ? realloc(b->data, room + 1) : bytes_room(room);
    if (!data)
        return false;
    b->data = data;
    return true;
}

static ptl_status read_all(int fd, const char *path, size_t expected,
                           ptl_bytes *out, ptl_error *err)
{
    size_t room = expected + 1;
    for (;;) {
        if (!out->data || out->size == room) {
            room = out->data ? room * 2 : room;
            if (!grow(out, room))
                return ptl_fail(err, PTL_E_MEMORY, "no memory to read \"%s\"",
                                path);
        }
        ssize_t got = read(fd, out->data + out->size, room - out->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(err, "read", path);
        if (got == 0)
            break;
        out->size += (size_t)got;
    }
    out->data[out->size] = '\0';
    return PTL_OK;
}

ptl_status file_read(const char *path, ptl_bytes *out, ptl_error *err)
{
    *out = (ptl_bytes){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "open", path);
    struct stat st;
    size_t expected = 4096;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        expected = (size_t)st.st_size;
    ptl_status status = read_all(fd, path, expected, out, err);
    close(fd);
    if (status != PTL_OK)
        bytes_free(out);
    return status;
}

void bytes_free(ptl_bytes *bytes)
{
    free(bytes->data);
    *bytes = (ptl_bytes){0};
}

struct file_out {
    char *path, *temporary;
    int fd;
};

static void file_out_free(file_out *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file->temporary);
    free(file);
}

static char *temporary_name(const char *path)
{
    size_t size = strlen(path) + 32;
    char *name = malloc(size);
    if (name)
        snprintf(name, size, "%s.tmp-%ld", path, (long)getpid());
    return name;
}

ptl_status file_create(const char *path, file_out **out, ptl_error *err)
{
    file_out *file = calloc(1, sizeof *file);
    if (!file)
        return ptl_fail(err, PTL_E_MEMORY, "no memory to write \"%s\"", path);
    file->fd = -1;
    file->path = strdup(path);
    file->temporary = temporary_name(path);
    if (!file->path || !file->temporary) {
        file_out_free(file);
        return ptl_fail(err, PTL_E_MEMORY, "no memory to write \"%s\"", path);
    }
    file->fd =
        open(file->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file->fd < 0) {
        ptl_status st = fail_errno(err, "write", path);
        file_out_free(file);
        return st;
    }
    *out = file;
    return PTL_OK;
}

ptl_status file_write(file_out *file, const void *bytes, size_t size,
                      ptl_error *err)
{
    const char *at = bytes;
    while (size) {
        ssize_t put = write(file->fd, at, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno(err, "write", file->path);
        at += put;
        size -= (size_t)put;
    }
    return PTL_OK;
}

/* The folder a path lies in, for syncing. */
static ptl_status sync_parent(const char *path, ptl_error *err)
{
    char *copy = strdup(path);
    if (!copy)
        return ptl_fail(err, PTL_E_MEMORY, "no memory to sync \"%s\"", path);
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    char *slash = strrchr(copy, '/');
    if (slash)
        slash[slash == copy ? 1 : 0] = '\0';
    ptl_status st = folder_sync(slash ? copy : ".", err);
    free(copy);
    return st;
}

ptl_status file_commit(file_out *file, ptl_error *err)
{
    ptl_status st = PTL_OK;
    int fd = file->fd;
    file->fd = -1;
    if (fsync(fd) != 0)
        st = fail_errno(err, "sync", file->path);
    if (close(fd) != 0 && st == PTL_OK)
        st = fail_errno(err, "write", file->path);
    if (st == PTL_OK && rename(file->temporary, file->path) != 0)
        st = fail_errno(err, "rename to", file->path);
    if (st != PTL_OK)
        unlink(file->temporary);
    else
        st = sync_parent(file->path, err);
    file_out_free(file);
    return st;
}

void file_abandon(file_out *file)
{
    if (!file)
        return;
    unlink(file->temporary);
    file_out_free(file);
}

ptl_status file_write_whole(const char *path, const void *bytes, size_t size,
                            ptl_error *err)
{
    file_out *file;
    ptl_status st = file_create(path, &file, err);
    if (st != PTL_OK)
        return st;
    st = file_write(file, bytes, size, err);
    if (st != PTL_OK) {
        file_abandon(file);
        return st;
    }
    return file_commit(file, err);
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool folder_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

ptl_status folder_make(const char *path, ptl_error *err)
{
    char *copy = strdup(path);
    if (!copy)
        return ptl_fail(err, PTL_E_MEMORY, "no memory to make \"%s\"", path);
    ptl_status st = PTL_OK;
    for (char *at = copy + 1; st == PTL_OK; at++) {
        char kept = *at;
        if (kept != '/' && kept)
            continue;
        *at = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            st = fail_errno(err, "make folder", copy);
        *at = kept;
        if (!kept)
            break;
    }
    free(copy);
    if (st == PTL_OK && !folder_exists(path))
        st = ptl_fail(err, PTL_E_IO, "\"%s\" is not a folder", path);
    return st;
}

ptl_status folder_sync(const char *path, ptl_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "open folder", path);
    ptl_status st = PTL_OK;
    /* Some file systems cannot sync folders and say so with EINVAL. */
    if (fsync(fd) != 0 && errno != EINVAL)
        st = fail_errno(err, "sync folder", path);
    close(fd);
    return st;
}
