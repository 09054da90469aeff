/*
 * csv_scan.h - cuts the text of a csv file into records and fields (RFC 4180,
 * any one-byte separator, lines ended by LF or CRLF, blank lines skipped).
 */
#ifndef PTL_DATA_CSV_SCAN_H
#define PTL_DATA_CSV_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct csv_field {
    const char *text; /* not NUL-terminated; without the quotes */
    size_t length;
    bool quoted;
} csv_field;

typedef struct csv_scan {
    const char *at, *end;
    char separator;
    int64_t line; /* of `at`, from 1 */
    /* The record read last. */
    int64_t record_line;
    csv_field *fields; /* on the heap, freed by csv_scan_fini() */
    int count, room;
    const char *fault; /* what is wrong with the record, NULL: nothing */
} csv_scan;

/* A byte order mark at the begin is skipped. */
void csv_scan_init(csv_scan *s, const void *text, size_t size, char separator);
void csv_scan_fini(csv_scan *s);
/* False at the end of the text. */
bool csv_scan_next(csv_scan *s);

#endif
