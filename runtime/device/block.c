/*
 * block.c - see block.h, and runtime/device.h.
 */
#include "device/block.h"
#include <stdlib.h>

enum { BLOCK_HOST = 1 };

static uint32_t block_on(int device)
{
    return UINT32_C(2) << device;
}

/* ---------- opening ---------- */

static ptl_status take_copies(device_block *b, const device_block_desc *desc,
                              ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (ptl_device *d = b->device; d && st == PTL_OK; d = d->next) {
        st = device_alloc(d, b->bytes, desc->what, &b->copies[d->number], err);
        if (desc->on_first)
            break;
    }
    return st;
}

/* Empty ones before what begins at the same place. */
static int by_place(const void *a, const void *b)
{
    const block_piece *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static void take_pieces(device_block *b, const device_block_desc *desc)
{
    for (int i = 0; i < b->piece_count; i++)
        b->pieces[i] = (block_piece){.at = desc->pieces[i].at,
                                     .bytes = desc->pieces[i].bytes,
                                     .home = desc->pieces[i].home,
                                     .where = BLOCK_HOST};
    if (b->piece_count > 0)
        qsort(b->pieces, (size_t)b->piece_count, sizeof *b->pieces, by_place);
}

ptl_status device_block_open(ptl_device *device, const device_block_desc *desc,
                             device_block **out, ptl_error *err)
{
    device_block *b = calloc(1, sizeof *b);
    *out = b;
    if (!b)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a device's block");
    *b = (device_block){.device = device,
                        .host = desc->host,
                        .bytes = desc->bytes,
                        .piece_count = desc->piece_count,
                        .resident = desc->resident,
                        .next = device->blocks};
    device->blocks = b;
    b->pieces = calloc((size_t)b->piece_count + 1, sizeof *b->pieces);
    b->copies = calloc((size_t)device_count(device), sizeof *b->copies);
    if (!b->pieces || !b->copies)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a device's block");
    take_pieces(b, desc);
    return take_copies(b, desc, err);
}

void device_block_close(device_block *b)
{
    if (!b)
        return;
    device_block **at = &b->device->blocks;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    for (ptl_device *d = b->device; b->copies && d; d = d->next)
        device_free(d, b->copies[d->number]);
    free(b->pieces);
    free(b->copies);
    free(b);
}

/* ---------- who has what ---------- */

/* The last that begins at `at` or before; NULL: none. */
static block_piece *piece_at(const device_block *b, size_t at)
{
    int first = 0, end = b->piece_count;
    while (first < end) {
        int middle = (first + end) / 2;
        if (b->pieces[middle].at <= at)
            first = middle + 1;
        else
            end = middle;
    }
    return first > 0 ? &b->pieces[first - 1] : NULL;
}

block_place block_find(const ptl_device *d, const void *host, size_t bytes)
{
    const char *from = host;
    for (device_block *b = d->first->blocks; b; b = b->next) {
        if (from < b->host || from + bytes > b->host + b->bytes)
            continue;
        size_t at = (size_t)(from - b->host);
        block_piece *piece = piece_at(b, at);
        if (piece && b->copies[d->number] &&
            at + bytes <= piece->at + piece->bytes)
            return (block_place){b, piece, b->copies[d->number] + at};
    }
    return (block_place){0};
}

/* From `source`, after what is before its event. */
static ptl_status copy_from(ptl_device *d, const ptl_device *source,
                            const device_block *b, const block_piece *piece,
                            ptl_error *err)
{
    CUresult result =
        d->driver->cuStreamWaitEvent(d->stream, source->changed, 0);
    if (result == CUDA_SUCCESS)
        result = d->driver->cuMemcpyPeerAsync(
            b->copies[d->number] + piece->at, d->context,
            b->copies[source->number] + piece->at, source->context,
            piece->bytes, d->stream);
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, d->name, "copy from another device", result);
}

static ptl_status upload(ptl_device *d, const device_block *b,
                         block_piece *piece, ptl_error *err)
{
    ptl_status st = device_upload(d, b->copies[d->number] + piece->at,
                                  b->host + piece->at, piece->bytes, err);
    if (st == PTL_OK)
        piece->where |= block_on(d->number);
    return st;
}

/* The device where it is at home has it, and an event behind that. */
static ptl_status bring_home(ptl_device *home, const device_block *b,
                             block_piece *piece, ptl_error *err)
{
    ptl_status st = device_use(home, err);
    if (st == PTL_OK && !(piece->where & block_on(home->number)))
        st = upload(home, b, piece, err);
    return st == PTL_OK ? block_mark(home, err) : st;
}

static ptl_status from_host(ptl_device *d, const device_block *b,
                            block_piece *piece, ptl_error *err)
{
    if (piece->home == DEVICE_ANY || piece->home == d->number)
        return upload(d, b, piece, err);
    ptl_device *home = device_member(b->device, piece->home);
    ptl_status st = bring_home(home, b, piece, err);
    if (st == PTL_OK)
        st = device_use(d, err);
    return st == PTL_OK ? copy_from(d, home, b, piece, err) : st;
}

ptl_status block_bring(ptl_device *d, const block_place *place, ptl_error *err)
{
    const device_block *b = place->block;
    block_piece *piece = place->piece;
    if (piece->where & block_on(d->number))
        return PTL_OK;
    ptl_status st = piece->where & BLOCK_HOST
                        ? from_host(d, b, piece, err)
                        : copy_from(d, device_member(b->device, piece->changer),
                                    b, piece, err);
    if (st == PTL_OK)
        piece->where |= block_on(d->number);
    return st;
}

ptl_status block_mark(ptl_device *d, ptl_error *err)
{
    CUresult result = d->driver->cuEventRecord(d->changed, d->stream);
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, d->name, "mark its work", result);
}

void block_changed_by(const ptl_device *d, const block_place *place)
{
    place->piece->where = block_on(d->number);
    place->piece->changer = d->number;
}

ptl_status device_block_fetch(device_block *b, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; i < b->piece_count && st == PTL_OK; i++) {
        const block_piece *piece = &b->pieces[i];
        ptl_device *from = device_member(b->device, piece->changer);
        if (piece->where & BLOCK_HOST)
            continue;
        st = device_use(from, err);
        if (st == PTL_OK)
            st = device_download(from, b->host + piece->at,
                                 b->copies[from->number] + piece->at,
                                 piece->bytes, err);
        if (st == PTL_OK)
            st = device_wait(from, err);
    }
    for (int i = 0; i < b->piece_count && st == PTL_OK; i++)
        b->pieces[i].where |= BLOCK_HOST;
    return st;
}

void device_block_changed(device_block *b)
{
    for (int i = 0; i < b->piece_count; i++)
        b->pieces[i].where = BLOCK_HOST;
}

void device_block_wrote(device_block *b, const void *host)
{
    block_piece *piece = piece_at(b, (size_t)((const char *)host - b->host));
    PTL_ASSERT(piece && b->host + piece->at == (const char *)host);
    piece->where = BLOCK_HOST;
}
