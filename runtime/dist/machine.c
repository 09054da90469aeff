/*
 * machine.c - see machine_priv.h.
 */
#include "base/plant.h"
#include "dist/machine_priv.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

dist_hub *machine_hub(const machine_job *job, uint32_t self,
                      uint64_t incarnation, const hub_owner *owner,
                      const machine_out *out, uint64_t now)
{
    hub_config c = {.self = self,
                    .job = job->id,
                    .incarnation = incarnation,
                    .agreement = job->agreement,
                    .limits = job->limits,
                    .window = job->window,
                    .retry = job->retry,
                    .liveness = job->liveness};
    PTL_ASSERT(job->window >= job->limits->chunk);
    return hub_new(&c, owner, &out->wire, now);
}

uint64_t machine_rounds(const machine_job *job, uint32_t bucket, uint64_t steps)
{
    const machine_bucket *b = &job->buckets[bucket];
    bool left = steps == job->total && steps % b->every != 0;
    return steps / b->every + (b->rest && left);
}

uint64_t machine_steps(const machine_job *job, uint32_t bucket, uint64_t rounds)
{
    uint64_t every = job->buckets[bucket].every, last = job->total / every;
    uint64_t steps = rounds > last ? job->total : rounds * every;
    return steps > job->first_step ? steps : job->first_step;
}

bool machine_waits(const machine_job *job, uint32_t bucket, uint64_t rounds)
{
    uint64_t barrier = job->buckets[bucket].barrier;
    if (barrier == 0 || rounds == 0 || ptl_is_planted(PTL_PLANT_NO_BARRIER))
        return false;
    return machine_steps(job, bucket, rounds) / barrier >
           machine_steps(job, bucket, rounds - 1) / barrier;
}

void machine_say(dist_hub *hub, uint32_t to, wire_type type, uint32_t epoch,
                 uint32_t id, uint64_t step, uint32_t flags)
{
    wire_header h = {.type = (uint16_t)type,
                     .epoch = epoch,
                     .id = id,
                     .step = step,
                     .flags = flags};
    hub_say_plain(hub, to, &h);
}

void machine_say_text(dist_hub *hub, uint32_t to, wire_type type,
                      uint32_t epoch, uint32_t id, const char *text)
{
    wire_header h = {.type = (uint16_t)type, .epoch = epoch, .id = id};
    wire_fields f = {.present = 1u << WIRE_FIELD_TEXT,
                     .text = {(const uint8_t *)text, strlen(text)}};
    hub_say(hub, to, &h, &f, NULL, 0, 0);
}

const char *machine_text(const wire_message *m, const char *otherwise,
                         char text[MACHINE_TEXT_BYTES])
{
    const wire_frame *f = &m->fields.text;
    if (!(m->fields.present >> WIRE_FIELD_TEXT & 1) ||
        f->size >= MACHINE_TEXT_BYTES)
        return otherwise;
    memcpy(text, f->data, f->size);
    text[f->size] = '\0';
    return text;
}

void machine_say_bytes(dist_hub *hub, uint32_t to, wire_header *h,
                       const wire_fields *fields, dist_blob *bytes,
                       size_t chunk)
{
    size_t all = blob_size(bytes), ratio = wire_codec_ratio(h->codec);
    size_t most = chunk / ratio;
    for (size_t at = 0; at < all; at += most) {
        size_t size = all - at < most ? all - at : most;
        h->offset = at * ratio;
        h->flags = at + size == all ? WIRE_LAST : 0;
        hub_say(hub, to, h, fields, bytes, at, size);
    }
}

void machine_refuse(dist_hub *hub, const wire_message *m, uint32_t to,
                    uint32_t epoch, wire_reason code, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wire_header h = {.type = WIRE_NACK,
                     .epoch = epoch,
                     .id = m->head.id,
                     .step = m->head.step};
    wire_fields f = {.present = 1u << WIRE_FIELD_CODE | 1u << WIRE_FIELD_TEXT,
                     .code = code,
                     .text = {(const uint8_t *)text, strlen(text)}};
    hub_say(hub, to, &h, &f, NULL, 0, 0);
}
