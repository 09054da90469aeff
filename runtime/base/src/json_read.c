/*
 * json_read.c - a strict reader: what it takes is JSON and nothing else.
 *
 * Files it reads may be damaged, so every byte is checked before it is used;
 * nesting is limited, so the stack is.
 */
#include "base/json.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEVELS = 64 };

typedef struct reader {
    ptl_arena *arena;
    const char *text;
    size_t size, at;
    ptl_error *err;
} reader;

typedef VEC(json_value) value_list;
typedef VEC(const char *) key_list;

static bool read_value(reader *r, json_value *out, int levels);

static bool fail(reader *r, const char *what)
{
    ptl_fail(r->err, PTL_E_DATA, "byte %zu: %s", r->at, what);
    return false;
}

static int peek(const reader *r)
{
    return r->at < r->size ? (unsigned char)r->text[r->at] : -1;
}

static void skip_space(reader *r)
{
    for (int c; (c = peek(r)) == ' ' || c == '\t' || c == '\n' || c == '\r';)
        r->at++;
}

static bool read_word(reader *r, const char *word)
{
    size_t length = strlen(word);
    if (r->size - r->at < length || memcmp(r->text + r->at, word, length) != 0)
        return fail(r, "not a JSON value");
    r->at += length;
    return true;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool skip_digits(reader *r)
{
    if (!is_digit(peek(r)))
        return fail(r, "expected a digit");
    while (is_digit(peek(r)))
        r->at++;
    return true;
}

static bool read_number(reader *r, json_value *out)
{
    size_t begin = r->at;
    bool integral = true;
    if (peek(r) == '-')
        r->at++;
    if (peek(r) == '0')
        r->at++;
    else if (!skip_digits(r))
        return false;
    if (is_digit(peek(r)))
        return fail(r, "a number may not begin with 0");
    if (peek(r) == '.') {
        integral = false;
        r->at++;
        if (!skip_digits(r))
            return false;
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        integral = false;
        r->at++;
        if (peek(r) == '+' || peek(r) == '-')
            r->at++;
        if (!skip_digits(r))
            return false;
    }
    char *digits = arena_strndup(r->arena, r->text + begin, r->at - begin);
    errno = 0;
    out->kind = JSON_NUMBER;
    out->number = strtod(digits, NULL);
    errno = 0;
    out->integer = integral ? strtoll(digits, NULL, 10) : 0;
    out->integral = integral && errno == 0;
    return true;
}

static bool read_hex4(reader *r, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(r);
        int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return fail(r, "expected four hexadecimal digits");
        *out = *out * 16 + (uint32_t)digit;
        r->at++;
    }
    return true;
}

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 63));
        to[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

static bool read_unicode(reader *r, char *to, size_t *length)
{
    uint32_t c, low;
    if (!read_hex4(r, &c))
        return false;
    if (c >= 0xD800 && c < 0xDC00) {
        if (peek(r) != '\\')
            return fail(r, "half a surrogate pair");
        r->at++;
        if (peek(r) != 'u')
            return fail(r, "half a surrogate pair");
        r->at++;
        if (!read_hex4(r, &low))
            return false;
        if (low < 0xDC00 || low > 0xDFFF)
            return fail(r, "half a surrogate pair");
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    } else if (c >= 0xDC00 && c < 0xE000) {
        return fail(r, "half a surrogate pair");
    }
    *length += put_utf8(to + *length, c);
    return true;
}

static bool read_escape(reader *r, char *to, size_t *length)
{
    static const char from[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    const char *found = c > 0 ? strchr(from, c) : NULL;
    if (c == 'u') {
        r->at++;
        return read_unicode(r, to, length);
    }
    if (!found)
        return fail(r, "unknown escape");
    to[(*length)++] = means[found - from];
    r->at++;
    return true;
}

/* Copies one UTF-8 sequence; RFC 3629's table of what is well formed. */
static bool read_utf8(reader *r, char *to, size_t *length)
{
    const unsigned char *s = (const unsigned char *)r->text + r->at;
    size_t left = r->size - r->at;
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xC2 ? 0
               : s[0] < 0xE0 ? 2
               : s[0] < 0xF0 ? 3
               : s[0] < 0xF5 ? 4
                             : 0;
    if (n == 0 || n > left)
        return fail(r, "broken UTF-8");
    unsigned char low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    if (n > 1 && (s[1] < low || s[1] > high))
        return fail(r, "broken UTF-8");
    for (size_t i = 2; i < n; i++)
        if (s[i] < 0x80 || s[i] > 0xBF)
            return fail(r, "broken UTF-8");
    memcpy(to + *length, s, n);
    *length += n;
    r->at += n;
    return true;
}

/* The text is never longer than what stands between the quotes. */
static bool read_text(reader *r, const char **out, size_t *out_length)
{
    r->at++;
    size_t end = r->at;
    while (end < r->size && r->text[end] != '"')
        end += r->text[end] == '\\' ? 2 : 1;
    if (end >= r->size)
        return fail(r, "a string without an end");
    char *to = arena_alloc(r->arena, end - r->at + 1);
    size_t length = 0;
    while (peek(r) != '"') {
        int c = peek(r);
        if (c < 0x20)
            return fail(r, "a control character in a string");
        if (c == '\\') {
            r->at++;
            if (!read_escape(r, to, &length))
                return false;
        } else if (!read_utf8(r, to, &length)) {
            return false;
        }
    }
    r->at++;
    to[length] = '\0';
    *out = to;
    *out_length = length;
    return true;
}

/* After an item: true and past the comma, or false at the end or in error. */
static bool another(reader *r, char close, bool *ok)
{
    skip_space(r);
    int c = peek(r);
    if (c == ',' || c == close) {
        r->at++;
        return c == ',';
    }
    *ok = fail(r, close == ']' ? "expected , or ]" : "expected , or }");
    return false;
}

static bool read_array(reader *r, json_value *out, int levels)
{
    value_list items = {0};
    bool ok = true, more = true;
    r->at++;
    skip_space(r);
    if (peek(r) == ']') {
        r->at++;
        more = false;
    }
    while (more) {
        json_value item = {0};
        if (!read_value(r, &item, levels))
            return false;
        vec_push(r->arena, &items, item);
        more = another(r, ']', &ok);
    }
    out->kind = JSON_ARRAY;
    out->items = items.data;
    out->count = items.count;
    return ok;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool keys_differ(reader *r, const key_list *keys)
{
    if (keys->count < 2)
        return true;
    const char **sorted = ARENA_ARRAY(r->arena, const char *, keys->count);
    memcpy(sorted, keys->data, (size_t)keys->count * sizeof *sorted);
    qsort(sorted, (size_t)keys->count, sizeof *sorted, by_text);
    for (int i = 1; i < keys->count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            return fail(r, "a key stands twice in the object before");
    return true;
}

static bool read_member(reader *r, value_list *items, key_list *keys,
                        int levels)
{
    const char *key;
    size_t length;
    json_value item = {0};
    skip_space(r);
    if (peek(r) != '"')
        return fail(r, "expected a key");
    if (!read_text(r, &key, &length))
        return false;
    if (strlen(key) != length)
        return fail(r, "a key with a NUL");
    skip_space(r);
    if (peek(r) != ':')
        return fail(r, "expected :");
    r->at++;
    if (!read_value(r, &item, levels))
        return false;
    vec_push(r->arena, keys, key);
    vec_push(r->arena, items, item);
    return true;
}

static bool read_object(reader *r, json_value *out, int levels)
{
    value_list items = {0};
    key_list keys = {0};
    bool ok = true, more = true;
    r->at++;
    skip_space(r);
    if (peek(r) == '}') {
        r->at++;
        more = false;
    }
    while (more) {
        if (!read_member(r, &items, &keys, levels))
            return false;
        more = another(r, '}', &ok);
    }
    out->kind = JSON_OBJECT;
    out->items = items.data;
    out->keys = keys.data;
    out->count = items.count;
    return ok && keys_differ(r, &keys);
}

static bool read_kind(reader *r, json_value *out, int levels)
{
    switch (peek(r)) {
    case '{':
        return read_object(r, out, levels);
    case '[':
        return read_array(r, out, levels);
    case '"':
        out->kind = JSON_TEXT;
        return read_text(r, &out->text, &out->text_length);
    case 't':
        out->kind = JSON_BOOL;
        out->boolean = true;
        return read_word(r, "true");
    case 'f':
        out->kind = JSON_BOOL;
        return read_word(r, "false");
    case 'n':
        out->kind = JSON_NULL;
        return read_word(r, "null");
    case -1:
        return fail(r, "the text ends where a value is expected");
    default:
        return read_number(r, out);
    }
}

static bool read_value(reader *r, json_value *out, int levels)
{
    if (levels == 0)
        return fail(r, "too many levels");
    skip_space(r);
    out->begin = r->at;
    if (!read_kind(r, out, levels - 1))
        return false;
    out->end = r->at;
    return true;
}

ptl_status json_parse(ptl_arena *arena, const char *text, size_t size,
                      json_value *out, ptl_error *err)
{
    reader r = {.arena = arena, .text = text, .size = size, .err = err};
    *out = (json_value){0};
    if (!read_value(&r, out, MAX_LEVELS))
        return PTL_E_DATA;
    skip_space(&r);
    if (r.at != size) {
        fail(&r, "something follows the value");
        return PTL_E_DATA;
    }
    return PTL_OK;
}

const json_value *json_get(const json_value *object, const char *key)
{
    if (!object || object->kind != JSON_OBJECT)
        return NULL;
    for (int i = 0; i < object->count; i++)
        if (strcmp(object->keys[i], key) == 0)
            return &object->items[i];
    return NULL;
}

bool json_get_int(const json_value *object, const char *key, int64_t *out)
{
    const json_value *v = json_get(object, key);
    if (!v || v->kind != JSON_NUMBER || !v->integral)
        return false;
    *out = v->integer;
    return true;
}

bool json_get_text(const json_value *object, const char *key, const char **out)
{
    const json_value *v = json_get(object, key);
    if (!v || v->kind != JSON_TEXT || strlen(v->text) != v->text_length)
        return false;
    *out = v->text;
    return true;
}
