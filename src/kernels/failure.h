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
#elif defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#endif

/** Where `fail` goes on: set by whoever runs a list. */
extern _Thread_local jmp_buf on_failure;
#endif

#endif
