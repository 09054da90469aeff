/*
 * schedule_words.h - what the writer and the reader of schedules have alike.
 */
#ifndef PTL_CLUSTER_SCHEDULE_WORDS_H
#define PTL_CLUSTER_SCHEDULE_WORDS_H

#include "dist/shard.h"

enum { SCHEDULE_VERSION = 1 };

/* The first line of a part: format's version, whose it is. */
#define SCHEDULE_TITLE "ptl schedule %d of "

static const char *const schedule_words[] = {
#define SHARD_EVENT(name, word) word,
#include "dist/shard_events.def"
};

#endif
