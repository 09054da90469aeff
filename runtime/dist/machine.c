/*
 * machine.c - see machine_priv.h.
 */
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
