/*
 * json_write.c - JSON on one line.
 */
#include "base/json.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void before_item(json_out *j)
{
    if (j->comma)
        str_addc(j->text, ',');
    j->comma = true;
}

void json_open(json_out *j, char bracket)
{
    before_item(j);
    str_addc(j->text, bracket);
    j->comma = false;
}

void json_close(json_out *j, char bracket)
{
    str_addc(j->text, bracket);
    j->comma = true;
}

/* Length of the UTF-8 sequence at `s`, 0: none. */
static int utf8_length(const unsigned char *s)
{
    static const unsigned char low[5] = {0, 0, 0, 0xA0, 0x90};
    int length = s[0] < 0x80   ? 1
                 : s[0] < 0xC2 ? 0
                 : s[0] < 0xE0 ? 2
                 : s[0] < 0xF0 ? 3
                 : s[0] < 0xF5 ? 4
                               : 0;
    for (int i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 || s[0] == 0xF0) && s[1] < low[length])
        return 0; /* overlong */
    if ((s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0; /* a surrogate, or beyond U+10FFFF */
    return length;
}

static void add_quoted(ptl_str *out, const char *text)
{
    str_addc(out, '"');
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        int length = utf8_length(s);
        if (length == 0) {
            str_add(out, "\xEF\xBF\xBD");
            s++;
            continue;
        }
        if (*s == '"' || *s == '\\')
            str_addc(out, '\\');
        if (*s < 0x20)
            str_printf(out, "\\u%04x", *s);
        else
            str_addn(out, (const char *)s, (size_t)length);
        s += length;
    }
    str_addc(out, '"');
}

void json_key(json_out *j, const char *key)
{
    before_item(j);
    add_quoted(j->text, key);
    str_addc(j->text, ':');
    j->comma = false;
}

void json_text(json_out *j, const char *text)
{
    before_item(j);
    add_quoted(j->text, text);
}

void json_int(json_out *j, int64_t value)
{
    before_item(j);
    str_printf(j->text, "%" PRId64, value);
}

void json_bool(json_out *j, bool value)
{
    json_raw(j, value ? "true" : "false");
}

void json_real(json_out *j, double value, bool f64)
{
    before_item(j);
    if (!isfinite(value))
        str_add(j->text, "null");
    else
        str_printf(j->text, "%.*g", f64 ? 17 : 9, value);
}

void json_raw(json_out *j, const char *json)
{
    before_item(j);
    str_add(j->text, json);
}
