/*
 * cmd_explain.c - `ptlc explain SLUG`: the page of a message.
 *
 * Pages are lang/explain/SLUG.md, embedded in the binary.
 */
#include "base/embed.h"
#include "base/nearest.h"
#include "driver.h"
#include <stdio.h>
#include <string.h>

static const char *page_of(const char *slug)
{
    for (const ptl_embedded *page = ptl_explain_pages; page->name; page++) {
        size_t length = strlen(slug);
        if (strncmp(page->name, slug, length) == 0 &&
            strcmp(page->name + length, ".md") == 0)
            return page->text;
    }
    return NULL;
}

static int list_slugs(void)
{
    for (int i = 0; i < DIAG_COUNT; i++)
        printf("%-24s %s\n", diag_slug((diag_code)i),
               diag_summary((diag_code)i));
    return EXIT_DONE;
}

static int unknown_slug(const char *word)
{
    const char *slugs[DIAG_COUNT];
    for (int i = 0; i < DIAG_COUNT; i++)
        slugs[i] = diag_slug((diag_code)i);
    const char *nearest = ptl_nearest(word, slugs, DIAG_COUNT);
    if (nearest)
        return driver_usage("explain",
                            "there is no message [%s]; did you mean [%s]?",
                            word, nearest);
    return driver_usage("explain", "there is no message [%s]", word);
}

/* `[slug]`, as a message shows it, is the slug too. */
static const char *without_brackets(driver *d, const char *word)
{
    size_t length = strlen(word);
    if (length > 2 && word[0] == '[' && word[length - 1] == ']')
        return arena_strndup(d->arena, word + 1, length - 2);
    return word;
}

int cmd_explain(driver *d)
{
    if (d->args.count == 0)
        return list_slugs();
    if (d->args.count > 1)
        return driver_usage("explain", "it takes one SLUG");
    const char *slug = without_brackets(d, d->args.data[0]);
    diag_code code = diag_find(slug);
    if (code == DIAG_COUNT)
        return unknown_slug(slug);
    const char *page = page_of(slug);
    printf("%s: %s\n", slug, diag_summary(code));
    if (page)
        printf("\n%s", page);
    return EXIT_DONE;
}
