/*
 * guard.c - see guard.h.
 *
 * The handler has a stack of its own, since running out of one is a way to
 * crash, and does nothing but write() and _exit().
 */
#include "codegen/cuda/guard.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { CRASHED = 3 /* as E_DEVICE */, STACK_BYTES = 16384 };

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
enum { SIGNALS = sizeof signals / sizeof *signals };
static struct sigaction before[SIGNALS];
static pthread_once_t installed = PTHREAD_ONCE_INIT;

static _Thread_local const char *at_work; /* NULL: nothing is guarded */
static _Thread_local char stack[STACK_BYTES];
static _Thread_local stack_t other_stack;

/* Not ours: what was there before gets it when it comes again. */
static void pass_on(int number)
{
    for (int i = 0; i < SIGNALS; i++)
        if (signals[i] == number)
            sigaction(number, &before[i], NULL);
    if (number == SIGABRT)
        raise(number);
}

static void crashed(int number)
{
    const char *message = at_work;
    if (!message) {
        pass_on(number);
        return;
    }
    ssize_t written = write(STDERR_FILENO, message, strlen(message));
    (void)written;
    _exit(CRASHED);
}

static void install(void)
{
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
}

void guard_begin(const char *message)
{
    const stack_t ours = {.ss_sp = stack, .ss_size = sizeof stack};
    pthread_once(&installed, install);
    sigaltstack(&ours, &other_stack);
    at_work = message;
}

void guard_end(void)
{
    at_work = NULL;
    sigaltstack(&other_stack, NULL);
}
