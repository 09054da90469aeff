/*
 * nearest.c - edit distance with transpositions of neighbours (Damerau 1964,
 * the restricted form), on words short enough to be names; a name that is the
 * other's beginning or end as a whole word is near too.
 */
#include "base/nearest.h"
#include <stdbool.h>
#include <string.h>

enum { LONGEST = 64, SHORTEST_PART = 2 };
/* Distances are counted in halves: a part is farther than one letter. */
enum { LETTER = 2, PART = 3 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int distance(const char *a, int na, const char *b, int nb)
{
    int rows[3][LONGEST + 1];
    int *before = rows[0], *last = rows[1], *row = rows[2];
    for (int j = 0; j <= nb; j++)
        last[j] = j;
    for (int i = 1; i <= na; i++) {
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            int change = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(change, least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        int *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[nb];
}

/* Whether `part` is `whole` up to a `_`, or after one. */
static bool is_part(const char *part, int part_length, const char *whole,
                    int length)
{
    if (part_length < SHORTEST_PART || part_length >= length)
        return false;
    int rest = length - part_length;
    return (whole[part_length] == '_' &&
            !memcmp(part, whole, (size_t)part_length)) ||
           (whole[rest - 1] == '_' &&
            !memcmp(part, whole + rest, (size_t)part_length));
}

static int apart(const char *a, int na, const char *b, int nb)
{
    int d = LETTER * distance(a, na, b, nb);
    return is_part(a, na, b, nb) || is_part(b, nb, a, na) ? least(d, PART) : d;
}

const char *ptl_nearest(const char *word, const char *const *names, int count)
{
    size_t length = strlen(word);
    const char *best = NULL;
    int best_distance = LETTER * (length < 4 ? 2 : 1 + (int)length / 3 + 1);
    if (length > LONGEST)
        return NULL;
    for (int i = 0; i < count; i++) {
        size_t other = strlen(names[i]);
        if (other > LONGEST)
            continue;
        int d = apart(word, (int)length, names[i], (int)other);
        if (d < best_distance &&
            d < LETTER * (int)(length > other ? length : other)) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}
