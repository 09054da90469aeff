/*
 * json.h - JSON out (RFC 8259, one line) and in (strict).
 *
 * Writing:  json_out j = {.text = &s};
 *           json_open(&j, '{');
 *           json_key(&j, "loss"); json_real(&j, 0.5, false);
 *           json_close(&j, '}');
 * Commas come by themselves. Writing into a string that has the room
 * allocates nothing.
 */
#ifndef PTL_BASE_JSON_H
#define PTL_BASE_JSON_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct json_out {
    ptl_str *text;
    bool comma; /* one is due before the next item */
} json_out;

void json_open(json_out *j, char bracket); /* '{' or '[' */
void json_close(json_out *j, char bracket);
void json_key(json_out *j, const char *key);
/* Bytes that are not UTF-8 become U+FFFD. */
void json_text(json_out *j, const char *text);
void json_int(json_out *j, int64_t value);
void json_bool(json_out *j, bool value);
/* %.9g, or %.17g for f64: equal texts mean equal bits. JSON has no NaN and no
 * infinity: they become null. */
void json_real(json_out *j, double value, bool f64);
/* `json` is one complete value. */
void json_raw(json_out *j, const char *json);

typedef enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_TEXT,
    JSON_ARRAY,
    JSON_OBJECT,
} json_kind;

typedef struct json_value {
    json_kind kind;
    bool boolean;
    double number;
    bool integral;   /* the number was written as an integer and fits */
    int64_t integer; /* where integral */
    const char *text;
    size_t text_length; /* text may hold NUL */
    int count;          /* of ARRAY and OBJECT */
    struct json_value *items;
    const char **keys; /* OBJECT: of items, no two equal */
    size_t begin, end; /* the bytes it was read from */
} json_value;

/*
 * Reads exactly one value. Refused: anything RFC 8259 does not allow, equal
 * keys in one object, broken UTF-8, more than 64 levels. The value lives in
 * `arena`. The message gives the byte offset; the caller puts the file before
 * it. Fails with E_DATA.
 */
ptl_status json_parse(ptl_arena *arena, const char *text, size_t size,
                      json_value *out, ptl_error *err);

/* The member `key`, NULL where there is none or `object` is no object. */
const json_value *json_get(const json_value *object, const char *key);
/* False where the member is missing or of another kind. */
bool json_get_int(const json_value *object, const char *key, int64_t *out);
bool json_get_text(const json_value *object, const char *key, const char **out);

#endif
