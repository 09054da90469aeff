/*
 * folder.c - folders removed with what they hold, and put in place at once.
 */
#include "base/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Removes what the open folder `fd` holds; takes `fd`. Folders of ours are a
 * level or two deep; a deeper one is not ours and stays. */
static int remove_content(int fd, int levels)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -1;
    }
    int failed = 0;
    for (struct dirent *e; !failed && (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        struct stat st;
        if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            failed = -1;
        } else if (!S_ISDIR(st.st_mode)) {
            failed = unlinkat(fd, e->d_name, 0);
        } else {
            int inner = openat(fd, e->d_name,
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            failed = levels == 0 || inner < 0
                         ? -1
                         : remove_content(inner, levels - 1);
            if (!failed)
                failed = unlinkat(fd, e->d_name, AT_REMOVEDIR);
        }
    }
    closedir(dir);
    return failed;
}

ptl_status folder_remove(const char *path, ptl_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return PTL_OK;
    if (fd < 0 || remove_content(fd, 4) != 0 || rmdir(path) != 0)
        return ptl_fail(err, PTL_E_IO, "could not remove \"%s\": %s", path,
                        strerror(errno));
    return PTL_OK;
}

/* File systems without an exchange: the old one steps aside for a moment. */
static int replace_in_two(const char *from, const char *to)
{
    char aside[4096];
    int length =
        snprintf(aside, sizeof aside, "%s.old-%ld", to, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof aside) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (rename(to, aside) != 0 || rename(from, to) != 0)
        return -1;
    return rename(aside, from);
}

ptl_status folder_replace(const char *from, const char *to, ptl_error *err)
{
    struct stat st;
    bool there = lstat(to, &st) == 0;
    int failed = there
                     ? renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE)
                     : rename(from, to);
    if (failed && there && (errno == EINVAL || errno == ENOSYS))
        failed = replace_in_two(from, to);
    if (failed)
        return ptl_fail(err, PTL_E_IO, "could not rename \"%s\" to \"%s\": %s",
                        from, to, strerror(errno));
    return there ? folder_remove(from, err) : PTL_OK;
}
