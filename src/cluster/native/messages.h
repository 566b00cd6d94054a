// Messages from every process of a job to every other one, and waiting for them: who waits knows for whom, and can give
// up by name.
#pragma once

#include <mpi.h>
#define NAPI_VERSION 8
#include <node_api.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int self, size;
/** Exchanges so far: a process that is at another one than the others is found by it. */
static unsigned exchanges;
/** Of requests and statuses, to all and from all. */
static MPI_Request *requests;
static MPI_Status *statuses;
static int *finished;
/** Bytes that each of all is to send. */
static int *awaited;
/** What this process has sent to others so far. */
static double sent_bytes, sent_messages;

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

static int fails(napi_env env, const char *code, const char *message) {
  napi_throw_error(env, code, message);
  return 1;
}

static int fails_by(napi_env env, const char *what, int error) {
  char reason[MPI_MAX_ERROR_STRING] = "", message[MPI_MAX_ERROR_STRING + 64];
  int length = 0;
  MPI_Error_string(error, reason, &length);
  snprintf(message, sizeof message, "%s: %s", what, reason);
  return fails(env, "MPI", message);
}

/** Sees that a message which has come is as long as it should be: a shorter one is none of MPI's errors. */
static int is_short(napi_env env, const MPI_Status *status, int from, int length) {
  char message[128];
  int bytes = 0;
  if (MPI_Get_count(status, MPI_BYTE, &bytes) != MPI_SUCCESS || bytes == length) return 0;
  snprintf(message, sizeof message, "%d bytes came from process %d, %d were expected", bytes, from, length);
  return fails(env, "MPI", message);
}

/** Names those whose messages are not there: "1, 2". */
static int times_out(napi_env env, double timeout) {
  char message[256];
  int length = snprintf(message, sizeof message, "%g ", timeout), told = 0;
  for (int r = 0; r < size && length < (int)sizeof message - 16; r++) {
    if (r == self || (requests[r] == MPI_REQUEST_NULL && requests[size + r] == MPI_REQUEST_NULL)) continue;
    length += snprintf(message + length, sizeof message - length, "%s%d", told++ ? ", " : "", r);
  }
  return fails(env, "MPI_TIMEOUT", message);
}

/** How often a process looks before it lets others run, and before it sleeps. */
#define SPINS 2000
#define YIELDS 20000

/** What comes after so many looks in vain. */
static void rests(unsigned looks) {
  const struct timespec nap = {0, 100000};
  if (looks < SPINS + YIELDS) sched_yield();
  else nanosleep(&nap, NULL);
}

/** Waits for all requests, so many seconds at the most where that is more than 0. */
static int wait_for_all(napi_env env, double timeout) {
  const double begin = seconds();
  for (unsigned looks = 0;; looks++) {
    int count = 0;
    const int error = MPI_Testsome(2 * size, requests, &count, finished, statuses);
    if (error == MPI_ERR_IN_STATUS) {
      for (int i = 0; i < count; i++)
        if (statuses[i].MPI_ERROR != MPI_SUCCESS && statuses[i].MPI_ERROR != MPI_ERR_PENDING)
          return fails_by(env, "a message did not arrive as it should", statuses[i].MPI_ERROR);
    } else if (error != MPI_SUCCESS) return fails_by(env, "messages cannot be exchanged", error);
    if (count == MPI_UNDEFINED) return 0;
    for (int i = 0; i < count; i++)
      if (finished[i] < size && is_short(env, &statuses[i], finished[i], awaited[finished[i]])) return 1;
    if (count > 0) looks = 0;
    if (looks < SPINS) continue;
    if (timeout > 0 && seconds() - begin > timeout) return times_out(env, timeout);
    rests(looks);
  }
}

/** Where the part of each process begins, and its bytes. */
typedef struct {
  char *at;
  size_t bytes;
} part;

/** Sends a part to each and receives one from each; an empty one is not sent. Own parts are copied. */
static int exchange_parts(napi_env env, const part *out, const part *in, double timeout) {
  const int tag = exchanges++ % 32768;
  for (int r = 0; r < size; r++) {
    requests[r] = requests[size + r] = MPI_REQUEST_NULL;
    if (out[r].bytes > INT_MAX || in[r].bytes > INT_MAX)
      return fails(env, "MPI", "more than 2 GiB for one process at once");
  }
  for (int r = 0; r < size; r++) {
    awaited[r] = (int)in[r].bytes;
    if (r == self || in[r].bytes == 0) continue;
    const int error = MPI_Irecv(in[r].at, (int)in[r].bytes, MPI_BYTE, r, tag, MPI_COMM_WORLD, &requests[r]);
    if (error != MPI_SUCCESS) return fails_by(env, "cannot receive", error);
  }
  for (int step = 1; step < size; step++) {
    // Everyone begins with another one.
    const int r = (self + step) % size;
    if (out[r].bytes == 0) continue;
    const int error = MPI_Isend(out[r].at, (int)out[r].bytes, MPI_BYTE, r, tag, MPI_COMM_WORLD, &requests[size + r]);
    if (error != MPI_SUCCESS) return fails_by(env, "cannot send", error);
    sent_bytes += out[r].bytes;
    sent_messages++;
  }
  if (out[self].bytes > 0 && in[self].at != out[self].at) memcpy(in[self].at, out[self].at, out[self].bytes);
  return wait_for_all(env, timeout);
}
