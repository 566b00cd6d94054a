// How a native kernel that fails returns to the call of its list.

#ifndef FAILURE_H
#define FAILURE_H

#if !defined(__wasm__)
#include <setjmp.h>
#include <time.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/** Where `fail` goes on: set by whoever runs a list. */
extern _Thread_local jmp_buf on_failure;
#endif

#endif
