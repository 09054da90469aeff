/*
 * cmd_check.c - `ptlc check FILE...`: says what is wrong, or nothing.
 */
#include "driver.h"

int cmd_check(driver *d)
{
    ptl_error err;
    int failed = EXIT_DONE;
    if (d->args.count == 0)
        return driver_usage("check", "which FILE?");
    for (int i = 0; i < d->args.count; i++)
        if (!driver_load(d, d->args.data[i], &err))
            failed = driver_fail(&err);
    int wrong = driver_report(d);
    return wrong != EXIT_DONE ? wrong : failed;
}
