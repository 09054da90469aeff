/*
 * machine_priv.h - making a machine's hub.
 */
#ifndef PTL_DIST_MACHINE_PRIV_H
#define PTL_DIST_MACHINE_PRIV_H

#include "dist/machine.h"

enum { MACHINE_TEXT_BYTES = 1001 };

dist_hub *machine_hub(const machine_job *job, uint32_t self,
                      uint64_t incarnation, const hub_owner *owner,
                      const machine_out *out, uint64_t now);
/* A PULL, READY, ... without payload. */
void machine_say(dist_hub *hub, uint32_t to, wire_type type, uint32_t epoch,
                 uint32_t id, uint64_t step, uint32_t flags);
/* With the field TEXT. */
void machine_say_text(dist_hub *hub, uint32_t to, wire_type type,
                      uint32_t epoch, uint32_t id, const char *text);
/* The field TEXT of a message, terminated; else `otherwise`. */
const char *machine_text(const wire_message *m, const char *otherwise,
                         char text[MACHINE_TEXT_BYTES]);
/* All of `bytes` as chunks, the last with LAST. */
void machine_say_bytes(dist_hub *hub, uint32_t to, wire_header *h,
                       const wire_fields *fields, dist_blob *bytes,
                       size_t chunk);
void machine_refuse(dist_hub *hub, const wire_message *m, uint32_t to,
                    uint32_t epoch, wire_reason code, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

#endif
