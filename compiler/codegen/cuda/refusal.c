/*
 * refusal.c - see refusal.h.
 */
#include "codegen/cuda/refusal.h"
#include <stdlib.h>
#include <string.h>

static const kern_kernel *kernel_of(const cuda_printed *p, int i)
{
    return p->m->kernels.data[p->kernels[i]];
}

static void add_place(const kern_kernel *k, ptl_str *out)
{
    int line, column;
    if (!k->at.file)
        return;
    src_position(k->at, &line, &column);
    str_printf(out, "%s:%d:%d", k->at.file->name, line, column);
}

static int line_of(const char *source, const char *at)
{
    int line = 1;
    for (const char *c = source; c < at; c++)
        line += *c == '\n';
    return line;
}

static bool is_name_char(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* Where `text` names kernel `i`, or what belongs to it; NULL: nowhere. */
static const char *mention(const cuda_printed *p, int i, const char *text)
{
    ptl_str name = {0};
    cuda_kernel_name(kernel_of(p, i), p->kernels[i], &name);
    const char *at = strstr(text, str_text(&name));
    while (at && at > text && is_name_char(at[-1]))
        at = strstr(at + 1, str_text(&name));
    str_fini(&name);
    return at;
}

/* The last that begins on the line or before; -1: none does. */
static int kernel_on_line(const cuda_printed *p, int line)
{
    int best = -1, best_line = 0;
    for (int i = 0; i < p->count; i++) {
        const char *at = mention(p, i, p->source);
        int begins = at ? line_of(p->source, at) : line + 1;
        if (begins <= line && begins > best_line) {
            best = i;
            best_line = begins;
        }
    }
    return best;
}

/* "NAME(LINE): error: ..." of the front end; 0: it has no line. */
static int line_in(const char *error, const char *log)
{
    const char *from = error;
    while (from > log && from[-1] != '\n')
        from--;
    const char *open = memchr(from, '(', (size_t)(error - from));
    return open ? atoi(open + 1) : 0;
}

/* What ptxas refuses has no line, but the function's name. */
static int kernel_named(const cuda_printed *p, const char *log)
{
    for (int i = 0; i < p->count; i++)
        if (mention(p, i, log))
            return i;
    return -1;
}

/* "error: why", "error   : why"; up to the end of the line. */
static void add_reason(const char *error, ptl_str *out)
{
    const char *colon = memchr(error, ':', strcspn(error, "\n"));
    const char *why = colon ? colon + 1 : error;
    why += strspn(why, " ");
    str_addn(out, why, strcspn(why, "\n"));
}

void cuda_explain_refusal(const cuda_printed *p, const char *log, ptl_str *out)
{
    const char *error = strstr(log, "error");
    int line = error ? line_in(error, log) : 0;
    int which = line ? kernel_on_line(p, line) : kernel_named(p, log);
    if (which < 0) {
        str_printf(out, "NVRTC refuses what was made for it:\n%s", log);
        return;
    }
    add_place(kernel_of(p, which), out);
    str_printf(
        out, "%sNVRTC refuses the kernel \"%s\" that was made for this: ",
        kernel_of(p, which)->at.file ? ": " : "", kernel_of(p, which)->name);
    if (error)
        add_reason(error, out);
    str_add(out, " (\"ptlc emit cuda\" shows it)");
}

void cuda_list_kernels(const cuda_printed *p, ptl_str *out)
{
    enum { NAMED = 4 };
    for (int i = 0; i < p->count && i < NAMED; i++) {
        str_printf(out, "%s\"%s\"", i ? ", " : "", kernel_of(p, i)->name);
        if (kernel_of(p, i)->at.file) {
            str_add(out, " (");
            add_place(kernel_of(p, i), out);
            str_addc(out, ')');
        }
    }
    if (p->count > NAMED)
        str_printf(out, " and %d more", p->count - NAMED);
}
