/*
 * device_places.c - see device_places.h.
 */
#include "exec/device_places.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_persistent(const ptl_buffer *b)
{
    return b->role == PTL_ROLE_PARAM || b->role == PTL_ROLE_STATE ||
           b->role == PTL_ROLE_SLOT;
}

static bool in_arena(const ptl_buffer *b)
{
    return b->role == PTL_ROLE_OUTPUT || b->role == PTL_ROLE_TRANSIENT;
}

static size_t size_of(const ptl_buffer *b)
{
    return memory_padded((size_t)b->size_bytes);
}

/* ---------- where memory ends ---------- */

/* Which of the arena's buffers, or of the others, is the largest but those
 * before `after`; -1: none. */
static int next_largest(const ptl_program *p, bool arena, int after)
{
    int best = -1;
    for (int i = 0; i < p->buffer_count; i++) {
        int64_t size = p->buffers[i].size_bytes;
        int64_t most = after < 0 ? INT64_MAX : p->buffers[after].size_bytes;
        bool comes = size < most || (size == most && i > after);
        if (in_arena(&p->buffers[i]) == arena && comes &&
            (best < 0 || size > p->buffers[best].size_bytes))
            best = i;
    }
    return best;
}

/* What takes most of it, after what was said. */
static ptl_status name_largest(const ptl_program *p, bool arena,
                               ptl_status status, ptl_error *err)
{
    enum { NAMED = 3 };
    ptl_str text = {0};
    if (status != PTL_E_MEMORY || !err)
        return status;
    str_add(&text, err->text);
    int at = -1;
    for (int i = 0; i < NAMED; i++) {
        at = next_largest(p, arena, at);
        if (at < 0)
            break;
        str_printf(&text, "%s \"%s\" (%" PRId64 " bytes)",
                   i ? "," : "; the largest in it:", p->buffers[at].name,
                   p->buffers[at].size_bytes);
    }
    ptl_fail(err, status, "%s", str_text(&text));
    str_fini(&text);
    return status;
}

/* ---------- opening ---------- */

static ptl_status take_arena(const device_places *p, ptl_error *err)
{
    size_t bytes = memory_padded((size_t)p->program->arena_bytes);
    ptl_status st = device_need_arena(p->device, bytes, err);
    return name_largest(p->program, true, st, err);
}

ptl_status device_places_open(device_places *p, const ptl_program *program,
                              ptl_device *device, ptl_error *err)
{
    size_t count = (size_t)program->buffer_count + 1;
    *p = (device_places){.program = program, .device = device};
    ptl_status st = device_data_open(&p->data, program, device, err);
    if (st != PTL_OK)
        return st;
    p->at = calloc(count, sizeof *p->at);
    p->own = calloc(count, sizeof *p->own);
    p->blocks = calloc(count, sizeof *p->blocks);
    p->host = calloc(count, sizeof *p->host);
    p->pinned_at = calloc(count, sizeof *p->pinned_at);
    p->left = calloc(count, sizeof *p->left);
    if (!p->at || !p->own || !p->blocks || !p->host || !p->pinned_at ||
        !p->left)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a run");
    return take_arena(p, err);
}

void device_places_close(device_places *p)
{
    device_data_close(&p->data);
    device_free(p->device, p->memory);
    device_unpin(p->device, p->pinned);
    free(p->at);
    free(p->own);
    free(p->blocks);
    free(p->host);
    free(p->pinned_at);
    free(p->left);
}

/* ---------- memory of the run's own ---------- */

static bool is_scalar(const device_places *p, int i)
{
    return p->program->buffers[i].role == PTL_ROLE_SCALAR;
}

static bool is_data(const device_places *p, int i)
{
    return p->program->buffers[i].role == PTL_ROLE_DATA && !p->blocks[i].block;
}

static bool is_fetched(const device_places *p, int i)
{
    return p->program->buffers[i].role == PTL_ROLE_OUTPUT && !p->left[i];
}

static bool is_own(const device_places *p, int i)
{
    return !in_arena(&p->program->buffers[i]) && !p->blocks[i].block &&
           !is_data(p, i);
}

/* Scalars at the beginning, outputs behind them. */
static size_t lay_out_pinned(device_places *p)
{
    size_t total = 0;
    for (int i = 0; i < p->program->buffer_count; i++)
        if (is_scalar(p, i)) {
            p->pinned_at[i] = total;
            total += size_of(&p->program->buffers[i]);
        }
    p->scalar_bytes = total;
    for (int i = 0; i < p->program->buffer_count; i++)
        if (is_fetched(p, i)) {
            p->pinned_at[i] = total;
            total += size_of(&p->program->buffers[i]);
        }
    return total;
}

/* Constants and what no block has, then scalars as they are pinned. */
static size_t lay_out(device_places *p, CUdeviceptr from)
{
    CUdeviceptr next = from;
    for (int i = 0; i < p->program->buffer_count; i++)
        if (is_own(p, i) && !is_scalar(p, i)) {
            p->own[i] = next;
            next += size_of(&p->program->buffers[i]);
        }
    p->scalars = next;
    for (int i = 0; i < p->program->buffer_count; i++)
        if (is_scalar(p, i))
            p->own[i] = next + p->pinned_at[i];
    return (size_t)(next - from) + p->scalar_bytes;
}

static bool lacks_own(const device_places *p)
{
    for (int i = 0; i < p->program->buffer_count; i++)
        if ((is_own(p, i) && !p->own[i]) ||
            (is_data(p, i) && !p->data.inside[i]))
            return true;
    return !p->pinned;
}

/* Once it is known what lies in blocks: on the device and of the host's, each
 * in one piece, and data in rooms. */
static ptl_status need_own(device_places *p, ptl_error *err)
{
    if (!lacks_own(p))
        return PTL_OK;
    ptl_status st = device_wait(p->device, err);
    if (st != PTL_OK)
        return st;
    device_free(p->device, p->memory);
    device_unpin(p->device, p->pinned);
    p->memory = 0;
    p->filled = false;
    for (int i = 0; i < p->program->buffer_count; i++)
        p->data.inside[i] = is_data(p, i);
    st = device_pin(p->device, lay_out_pinned(p), (void **)&p->pinned, err);
    if (st == PTL_OK)
        st = device_alloc(p->device, lay_out(p, 0), p->program->name,
                          &p->memory, err);
    if (st == PTL_OK)
        st = device_data_lay_out(&p->data, err);
    lay_out(p, p->memory);
    return name_largest(p->program, false, st, err);
}

/* ---------- before the steps ---------- */

static void find(device_places *p, void *const *data)
{
    p->changes_block = false;
    for (int i = 0; i < p->program->buffer_count; i++) {
        const ptl_buffer *b = &p->program->buffers[i];
        bool bound = is_persistent(b) || b->role == PTL_ROLE_DATA;
        p->host[i] = data[i];
        p->blocks[i] =
            bound ? block_find(p->device, data[i], (size_t)b->size_bytes)
                  : (block_place){0};
        p->changes_block |= p->blocks[i].block && b->updated;
    }
}

static void place(device_places *p)
{
    for (int i = 0; i < p->program->buffer_count; i++) {
        const ptl_buffer *b = &p->program->buffers[i];
        p->at[i] = in_arena(b) ? p->device->arena + (CUdeviceptr)b->arena_offset
                   : p->blocks[i].block ? p->blocks[i].at
                   : is_data(p, i)      ? p->data.now.memory + p->data.at[i]
                                        : p->own[i];
    }
}

static ptl_status upload(device_places *p, int i, ptl_error *err)
{
    const ptl_buffer *b = &p->program->buffers[i];
    if (p->blocks[i].block)
        return block_bring(p->device, &p->blocks[i], err);
    if (b->role == PTL_ROLE_CONSTANT ? p->filled : !is_persistent(b))
        return PTL_OK;
    return device_upload(p->device, p->own[i], p->host[i],
                         (size_t)b->size_bytes, err);
}

static ptl_status upload_scalars(device_places *p, ptl_error *err)
{
    for (int i = 0; i < p->program->buffer_count; i++)
        if (is_scalar(p, i))
            memcpy(p->pinned + p->pinned_at[i], p->host[i],
                   (size_t)p->program->buffers[i].size_bytes);
    return device_upload(p->device, p->scalars, p->pinned, p->scalar_bytes,
                         err);
}

ptl_status device_places_give(device_places *p, void *const *data,
                              ptl_error *err)
{
    find(p, data);
    ptl_status st = need_own(p, err);
    if (st == PTL_OK)
        st = device_data_give(&p->data, p->host, err);
    place(p); /* the device's arena may have moved as well */
    for (int i = 0; i < p->program->buffer_count && st == PTL_OK; i++)
        st = upload(p, i, err);
    p->filled = st == PTL_OK;
    return st == PTL_OK ? upload_scalars(p, err) : st;
}

ptl_status device_places_ahead(device_places *p, void *const *data,
                               ptl_error *err)
{
    return device_data_ahead(&p->data, data, err);
}

/* ---------- after the steps ---------- */

ptl_status device_places_take(device_places *p, ptl_error *err)
{
    ptl_status st = p->changes_block ? block_mark(p->device, err) : PTL_OK;
    for (int i = 0; i < p->program->buffer_count && st == PTL_OK; i++) {
        const ptl_buffer *b = &p->program->buffers[i];
        if (b->updated && p->blocks[i].block)
            block_changed_by(p->device, &p->blocks[i]);
        if (is_fetched(p, i))
            st = device_download(p->device, p->pinned + p->pinned_at[i],
                                 p->at[i], (size_t)b->size_bytes, err);
    }
    return st;
}

/* Tensors outside of resident blocks are the host's again. */
static ptl_status give_back(device_places *p, int i, bool *some, ptl_error *err)
{
    const ptl_buffer *b = &p->program->buffers[i];
    const device_block *block = p->blocks[i].block;
    if (!is_persistent(b) || !b->updated || (block && block->resident))
        return PTL_OK;
    *some = true;
    return device_download(p->device, p->host[i], p->at[i],
                           (size_t)b->size_bytes, err);
}

static void forget(const block_place *place)
{
    if (place->block && !place->block->resident)
        device_block_wrote(place->block, place->block->host + place->piece->at);
}

ptl_status device_places_end(device_places *p, ptl_error *err)
{
    bool some = false;
    ptl_status st = device_wait(p->device, err);
    for (int i = 0; i < p->program->buffer_count && st == PTL_OK; i++) {
        const ptl_buffer *b = &p->program->buffers[i];
        if (is_fetched(p, i))
            memcpy(p->host[i], p->pinned + p->pinned_at[i],
                   (size_t)b->size_bytes);
        st = give_back(p, i, &some, err);
    }
    if (some && st == PTL_OK)
        st = device_wait(p->device, err);
    for (int i = 0; i < p->program->buffer_count; i++)
        forget(&p->blocks[i]);
    return st;
}
