/*
 * available.c - see available.h. Both versions of control groups are looked at:
 * a process has a line for each in /proc/self/cgroup.
 */
#include "runtime/available.h"
#include "base/integer.h"
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Where groups of a version lie, and what their files are called. */
static const struct group_files {
    const char *line; /* of /proc/self/cgroup, between the colons */
    const char *folder, *limit, *usage, *cached;
} versions[] = {
    {"", "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"},
    {"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes",
     "memory.usage_in_bytes", "total_inactive_file"},
};

enum { VERSIONS = sizeof versions / sizeof *versions, LONGEST = 4096 };

/* The number after `key` and blanks at the beginning of a line; with "" the
 * first number. False: there is none. */
static bool read_number(const char *path, const char *key, int64_t *out)
{
    char line[256];
    bool found = false;
    size_t length = strlen(key);
    FILE *f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f)) {
        long long n;
        found = !strncmp(line, key, length) &&
                sscanf(line + length, " %lld", &n) == 1;
        if (found)
            *out = n;
    }
    if (f)
        fclose(f);
    return found;
}

static bool read_in(const char *root, const struct group_files *v,
                    const char *group, const char *file, const char *key,
                    int64_t *out)
{
    char path[LONGEST];
    int n =
        snprintf(path, sizeof path, "%s%s%s/%s", root, v->folder, group, file);
    return n > 0 && n < (int)sizeof path && read_number(path, key, out);
}

/* What one group leaves; no limit, or no such folder: all. */
static int64_t left_by(const char *root, const struct group_files *v,
                       const char *group)
{
    int64_t limit, usage, cached = 0;
    if (!read_in(root, v, group, v->limit, "", &limit) ||
        !read_in(root, v, group, v->usage, "", &usage))
        return INT64_MAX;
    read_in(root, v, group, "memory.stat", v->cached, &cached);
    return limit > usage - cached ? limit - (usage - cached) : 0;
}

/* The group and all around it; `group` is "/a/b", and cut here. */
static int64_t left_by_all(const char *root, const struct group_files *v,
                           char *group)
{
    int64_t left = INT64_MAX;
    for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
        *end = '\0';
        left = int_min(left, left_by(root, v, group));
    }
    return left;
}

/* Lines are "number:controllers:/group". */
static int64_t left_by_groups(const char *root)
{
    char path[LONGEST], line[LONGEST];
    int64_t left = INT64_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        for (int i = 0; i < VERSIONS; i++)
            if (!strcmp(controllers + 1, versions[i].line))
                left = int_min(left, left_by_all(root, &versions[i], group));
    }
    if (f)
        fclose(f);
    return left;
}

int64_t memory_available(const char *root)
{
    char path[LONGEST];
    int64_t kib, left = left_by_groups(root);
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (read_number(path, "MemAvailable:", &kib))
        left = int_min(left, kib * 1024);
    return left;
}
