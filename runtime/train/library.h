/*
 * library.h - which products of a program the device's library computes.
 */
#ifndef PTL_TRAIN_LIBRARY_H
#define PTL_TRAIN_LIBRARY_H

#include "train/log.h"
#include "train/session.h"

/* A line for what cuBLASLt computes of a program, and one for what it refuses;
 * none where it was not asked for. */
void library_report(const session *s, train_log *log, const session_program *p);

#endif
