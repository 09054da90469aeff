/*
 * guard.h - a crash of NVRTC becomes a message.
 *
 * It is a large library that runs inside this process; on some of its input
 * releases of it crash. A thread says what it gives to it; should one of the
 * signals of a crash come to that thread meanwhile, the message is printed and
 * the process ends with status 3. To other threads, and before and after, the
 * signals do what they did.
 */
#ifndef PTL_CODEGEN_CUDA_GUARD_H
#define PTL_CODEGEN_CUDA_GUARD_H

/* `message`: with its newline; stays the caller's, until guard_end(). */
void guard_begin(const char *message);
void guard_end(void);

#endif
