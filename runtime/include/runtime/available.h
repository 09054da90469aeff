/*
 * available.h - how much memory this process may still take.
 */
#ifndef PTL_RUNTIME_AVAILABLE_H
#define PTL_RUNTIME_AVAILABLE_H

#include <stdint.h>

/*
 * The least of: what the system can give without swapping, and what the control
 * group of the process and each group around it leave (a container's limit),
 * where cached files count as free. INT64_MAX where nothing tells. `root` is ""
 * but in tests, where a folder stands for /.
 */
int64_t memory_available(const char *root);

#endif
