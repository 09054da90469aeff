/*
 * wire_table.c - the tables of the wire format, and the names in them.
 */
#include "dist/wire_table.h"
#include <stdio.h>

#define C (1 << WIRE_COORDINATOR)
#define P (1 << WIRE_PS)
#define W (1 << WIRE_WORKER)
#define F(name) (1u << WIRE_FIELD_##name)
#define LINK WIRE_LINK
#define CONTROL WIRE_CONTROL
#define DATA WIRE_DATA_CLASS

static const wire_row rows[WIRE_TYPE_END] = {
#define MESSAGE(name, number, class, from, payload, fields)                    \
    [number] = {#name, class, (from), WIRE_PAYLOAD_##payload, (fields)},
#include "dist/messages.def"
#undef MESSAGE
};

const wire_field_row wire_field_rows[WIRE_FIELD_COUNT] = {
#define FIELD(name, number, least, most) {#name, number, least, most},
#include "dist/fields.def"
#undef FIELD
};

static const char *const reason_names[WIRE_REASON_END] = {
#define REASON(name, number, said_in) [number] = #name,
#include "dist/reasons.def"
#undef REASON
};

static const struct {
    const char *name;
    int patience;
} phases[WIRE_PHASE_END] = {
#define PHASE(name, number, patience) [number] = {#name, patience},
#include "dist/phases.def"
#undef PHASE
};

const wire_row *wire_row_of(int type)
{
    return type > 0 && type < WIRE_TYPE_END && rows[type].name ? &rows[type]
                                                               : NULL;
}

const char *wire_type_name(int type)
{
    const wire_row *row = wire_row_of(type);
    return row ? row->name : NULL;
}

wire_class wire_class_of(int type)
{
    return wire_row_of(type)->class;
}

const char *wire_reason_name(int code)
{
    return code > 0 && code < WIRE_REASON_END ? reason_names[code] : NULL;
}

const char *wire_phase_name(int phase)
{
    return phase > 0 && phase < WIRE_PHASE_END ? phases[phase].name : NULL;
}

int wire_phase_patience(int phase)
{
    return phase > 0 && phase < WIRE_PHASE_END ? phases[phase].patience : 1;
}

const char *wire_node_name(uint32_t node, char *text)
{
    static const char *const roles[] = {"role 0", "the coordinator", "ps",
                                        "worker"};
    int role = wire_role(node);
    if (role == WIRE_COORDINATOR)
        return roles[role];
    if (role == WIRE_PS || role == WIRE_WORKER)
        snprintf(text, 32, "%s %d", roles[role], wire_index(node));
    else
        snprintf(text, 32, "a process of role %d", role);
    return text;
}
