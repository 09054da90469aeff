/*
 * test_explain.c - every message has a page with a wrong and a right example.
 */
#include "base/diag.h"
#include "base/embed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const ptl_embedded *page_of(const char *slug)
{
    char name[128];
    snprintf(name, sizeof name, "%s.md", slug);
    for (const ptl_embedded *p = ptl_explain_pages; p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

static void every_slug_has_a_page_with_examples(void **state)
{
    int missing = 0;
    (void)state;
    for (int i = 0; i < DIAG_COUNT; i++) {
        const ptl_embedded *page = page_of(diag_slug((diag_code)i));
        if (page && strstr(page->text, "\nWrong") &&
            strstr(page->text, "\nRight"))
            continue;
        missing++;
        print_error("lang/explain/%s.md: %s\n", diag_slug((diag_code)i),
                    page ? "needs \"Wrong:\" and \"Right:\"" : "is missing");
    }
    assert_int_equal(missing, 0);
}

static void every_page_explains_a_slug(void **state)
{
    (void)state;
    for (const ptl_embedded *p = ptl_explain_pages; p->name; p++) {
        char slug[128];
        snprintf(slug, sizeof slug, "%.*s", (int)strcspn(p->name, "."),
                 p->name);
        if (diag_find(slug) == DIAG_COUNT)
            fail_msg("lang/explain/%s explains no message", p->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slug_has_a_page_with_examples),
        cmocka_unit_test(every_page_explains_a_slug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
