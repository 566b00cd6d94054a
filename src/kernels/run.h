#ifndef RUN_H
#define RUN_H

/**
 * Runs the calls from `call` up to `end`, but not past one without a kernel, which is for the caller.
 * @returns where it stopped
 */
typedef const double *run_calls(const double *call, const double *end);

#endif
