/*
 * thread.h - threads beside the main one.
 */
#ifndef PTL_BASE_THREAD_H
#define PTL_BASE_THREAD_H

#include <pthread.h>

/* pthread_create() with all signals blocked in the new thread: they are the
 * main thread's business. 0, or the error's number. */
int thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif
