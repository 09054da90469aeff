/*
 * cache.h - machine code kept on disk between runs, for every generator.
 *
 * Hashes are LLVM's (BLAKE3): llvm_need() comes before. Thread: any; several
 * processes may share a folder.
 */
#ifndef PTL_CODEGEN_CACHE_H
#define PTL_CODEGEN_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct code_object {
    char *bytes; /* owned */
    size_t size;
} code_object;
void code_objects_free(code_object *objects, int count);

typedef struct code_key {
    uint8_t bytes[32];
} code_key;

/* Of texts that together decide about the code, the generator's own version
 * among them; NULL ends them. */
code_key code_key_of(const char *const *parts);
/* False where there is no whole, undamaged entry. */
bool code_cache_load(const char *dir, const code_key *key, code_object **out,
                     int *count);
/* Best effort: a full disk costs the next start some time, nothing else. */
void code_cache_store(const char *dir, const code_key *key,
                      const code_object *objects, int count);

#endif
