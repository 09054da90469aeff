/*
 * keys_priv.h - a job's keys, read. See net/keys.h.
 */
#ifndef PTL_NET_KEYS_PRIV_H
#define PTL_NET_KEYS_PRIV_H

#include "net/keys.h"
#include <stdint.h>

enum { KEY_TEXT = 41, KEY_BYTES = 32 }; /* Z85 and its NUL; as bytes */

typedef struct key_pair {
    char public[KEY_TEXT], secret[KEY_TEXT];
} key_pair;

typedef struct key_allowed {
    uint8_t key[KEY_BYTES];
    uint32_t node;
} key_allowed;

ptl_status keys_of_server(const char *folder, int index, key_pair *out,
                          ptl_error *err);
ptl_status keys_of_node(const char *folder, uint32_t node, key_pair *out,
                        ptl_error *err);
/* The public key of the server that `node` is, or is beside (coordinator). */
ptl_status keys_public(const char *folder, uint32_t node, char out[KEY_TEXT],
                       ptl_error *err);
/* *out is the caller's to free(). */
ptl_status keys_allowed(const char *folder, key_allowed **out, int *count,
                        ptl_error *err);

#endif
