/*
 * version.h - the version of PTL, as `ptlc --version` prints it and checkpoints
 * record it.
 */
#ifndef PTL_BASE_VERSION_H
#define PTL_BASE_VERSION_H

#define PTL_VERSION "0.1.0"

#endif
