#ifndef RUN_H
#define RUN_H

/** The head of a call: its kernel, the doubles up to the next call, and the rows that it computes (see run.c). */
enum { KERNEL_INDEX, NEXT, ROWS, OUTER, HEAD };

/**
 * Runs the calls from `call` up to `end`, but not past one without a kernel, which is for the caller.
 * @returns where it stopped
 */
typedef const double *run_calls(const double *call, const double *end);

#endif
