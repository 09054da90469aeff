/*
 * doc_text.c - text in lines, for doc_page.c.
 */
#include "doc.h"
#include <string.h>

enum { WIDTH = 79 };

/* Columns of `length` bytes of UTF-8. */
static int columns(const char *text, size_t length)
{
    int n = 0;
    for (size_t i = 0; i < length; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

void doc_fill(ptl_str *out, const char *text, int column, int hang)
{
    bool begun = false; /* a word stands on this line */
    for (text += strspn(text, " \n\t"); *text; text += strspn(text, " \n\t")) {
        size_t length = strcspn(text, " \n\t");
        int wide = columns(text, length);
        if (begun && column + 1 + wide > WIDTH) {
            str_printf(out, "\n%*s", hang, "");
            column = hang;
            begun = false;
        }
        if (begun)
            str_addc(out, ' ');
        for (size_t i = 0; i < length; i++)
            str_addc(out, text[i] == DOC_KEPT_SPACE ? ' ' : text[i]);
        column += wide + begun;
        begun = true;
        text += length;
    }
    str_addc(out, '\n');
}
