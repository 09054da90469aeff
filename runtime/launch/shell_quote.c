/*
 * shell_quote.c - a word for a shell that nobody knows more about.
 */
#include "start_priv.h"
#include <string.h>

static bool is_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:,@%";
    return *word && !word[strspn(word, plain)];
}

void shell_quote(ptl_str *out, const char *word)
{
    if (is_plain(word)) {
        str_add(out, word);
        return;
    }
    str_addc(out, '\'');
    for (; *word; word++)
        if (*word == '\'')
            str_add(out, "'\\''");
        else
            str_addc(out, *word);
    str_addc(out, '\'');
}
