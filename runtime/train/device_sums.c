/*
 * device_sums.c - see device_sums.h.
 */
#include "train/device_sums.h"

static ptl_status open_block(device_sums *d, session *s, size_t bytes,
                             ptl_error *err)
{
    const device_block_piece pieces[] = {{0, bytes, DEVICE_ANY},
                                         {bytes, bytes, DEVICE_ANY}};
    const device_block_desc desc = {.host = d->total,
                                    .bytes = 2 * bytes,
                                    .pieces = pieces,
                                    .piece_count = 2,
                                    .resident = true,
                                    .on_first = true,
                                    .what = "sums of gradients"};
    return device_block_open(s->job->device, &desc, &d->block, err);
}

ptl_status device_sums_open(device_sums *d, session *s, void *total,
                            size_t bytes, ptl_error *err)
{
    size_t element = (size_t)dtype_size(s->job->f64 ? PTL_F64 : PTL_F32);
    d->total = total;
    d->addend = d->total + bytes;
    ptl_status st = open_block(d, s, bytes, err);
    if (st == PTL_OK)
        st = s->job->build(s->job, PTL_PROGRAM_ADD, (int64_t)(bytes / element),
                           NULL, 0, &d->program, err);
    if (st == PTL_OK)
        st = run_open_without(d->program, s->pool, &d->run, err);
    if (st != PTL_OK)
        return st;
    run_bind_name(d->run, PTL_ADD_TOTAL, d->total);
    run_bind_name(d->run, PTL_ADD_ADDEND, d->addend);
    return PTL_OK;
}

void device_sums_close(device_sums *d)
{
    run_close(d->run);
    if (d->program)
        d->program->release(d->program);
    device_block_close(d->block);
}

/* Pieces from `i` on that are one stretch at both ends; their bytes. */
static size_t stretch(const sum_list *list, int i, int *end)
{
    const sum_piece *first = &list->pieces[i];
    size_t size = (size_t)dtype_size(list->dtype), bytes = 0;
    for (*end = i; *end < list->count; ++*end) {
        const sum_piece *p = &list->pieces[*end];
        if (p->to != first->to + bytes || p->from != first->from + bytes)
            break;
        bytes += (size_t)p->count * size;
    }
    return bytes;
}

ptl_status device_sums_take(device_sums *d, ptl_run *run, int device,
                            const sum_list *list, bool first, ptl_error *err)
{
    char *to = first ? d->total : d->addend;
    ptl_status st = PTL_OK;
    for (int i = 0, end; i < list->count && st == PTL_OK; i = end) {
        const sum_piece *p = &list->pieces[i];
        size_t bytes = stretch(list, i, &end);
        st = run_copy(run, device, p->from, bytes, to + p->to, err);
    }
    return st;
}

/* Nothing of it comes to the host: whoever uses the total waits for it. */
ptl_status device_sums_add(device_sums *d, bool first, ptl_error *err)
{
    return first ? PTL_OK : run_begin(d->run, 0, err);
}

ptl_status device_sums_fetch(device_sums *d, ptl_error *err)
{
    return d->block ? device_block_fetch(d->block, err) : PTL_OK;
}
