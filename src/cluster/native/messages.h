// Messages between all processes of a job. A process that waits knows for which ranks, and names them after a timeout.
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

static int rank, size;
/** Number of exchanges, which is their tag: a rank at another exchange than the others is detected. */
static unsigned exchanges;
/** Requests and statuses of messages from all ranks, then to all ranks. */
static MPI_Request *requests;
static MPI_Status *statuses;
static int *finished;
/** Bytes expected from each rank. */
static int *expected;
/** Total bytes and messages sent to other ranks. */
static double sent_bytes, sent_messages;

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

static int throw_error(napi_env env, const char *code, const char *message) {
  napi_throw_error(env, code, message);
  return 1;
}

static int throw_mpi_error(napi_env env, const char *problem, int error) {
  char reason[MPI_MAX_ERROR_STRING] = "", message[MPI_MAX_ERROR_STRING + 64];
  int length = 0;
  MPI_Error_string(error, reason, &length);
  snprintf(message, sizeof message, "%s: %s", problem, reason);
  return throw_error(env, "MPI", message);
}

/** Throws an error for a received message of another length, which MPI accepts if it is shorter. */
static int throw_if_short(napi_env env, const MPI_Status *status, int from, int length) {
  char message[128];
  int bytes = 0;
  if (MPI_Get_count(status, MPI_BYTE, &bytes) != MPI_SUCCESS || bytes == length) return 0;
  snprintf(message, sizeof message, "received %d bytes from process %d instead of %d", bytes, from, length);
  return throw_error(env, "MPI", message);
}

/** Throws an error with the ranks whose messages are missing: "1, 2". */
static int throw_timeout(napi_env env, double timeout) {
  char message[256];
  int length = snprintf(message, sizeof message, "%g ", timeout), count = 0;
  for (int r = 0; r < size && length < (int)sizeof message - 16; r++) {
    if (r == rank || (requests[r] == MPI_REQUEST_NULL && requests[size + r] == MPI_REQUEST_NULL)) continue;
    length += snprintf(message + length, sizeof message - length, "%s%d", count++ ? ", " : "", r);
  }
  return throw_error(env, "MPI_TIMEOUT", message);
}

/** Polls without a message before a process yields, and further ones before it sleeps. */
#define SPINS 2000
#define YIELDS 20000

/** Yields or sleeps after a number of polls without a message. */
static void pause_polling(unsigned polls) {
  const struct timespec nap = {0, 100000};
  if (polls < SPINS + YIELDS) sched_yield();
  else nanosleep(&nap, NULL);
}

/** Waits for all requests, at most `timeout` seconds if it is positive. */
static int wait_for_all(napi_env env, double timeout) {
  const double begin = seconds();
  for (unsigned polls = 0;; polls++) {
    int count = 0;
    const int error = MPI_Testsome(2 * size, requests, &count, finished, statuses);
    if (error == MPI_ERR_IN_STATUS) {
      for (int i = 0; i < count; i++)
        if (statuses[i].MPI_ERROR != MPI_SUCCESS && statuses[i].MPI_ERROR != MPI_ERR_PENDING)
          return throw_mpi_error(env, "a message was not received", statuses[i].MPI_ERROR);
    } else if (error != MPI_SUCCESS) return throw_mpi_error(env, "cannot exchange messages", error);
    if (count == MPI_UNDEFINED) return 0;
    for (int i = 0; i < count; i++)
      if (finished[i] < size && throw_if_short(env, &statuses[i], finished[i], expected[finished[i]])) return 1;
    if (count > 0) polls = 0;
    if (polls < SPINS) continue;
    if (timeout > 0 && seconds() - begin > timeout) return throw_timeout(env, timeout);
    pause_polling(polls);
  }
}

/** Address and size of the part of a rank. */
typedef struct {
  char *at;
  size_t bytes;
} part;

/** Sends a part to each rank and receives one from each. Empty parts are not sent; the own part is copied. */
static int exchange_parts(napi_env env, const part *out, const part *in, double timeout) {
  const int tag = exchanges++ % 32768;
  for (int r = 0; r < size; r++) {
    requests[r] = requests[size + r] = MPI_REQUEST_NULL;
    if (out[r].bytes > INT_MAX || in[r].bytes > INT_MAX)
      return throw_error(env, "MPI", "cannot send more than 2 GiB to a process at once");
  }
  for (int r = 0; r < size; r++) {
    expected[r] = (int)in[r].bytes;
    if (r == rank || in[r].bytes == 0) continue;
    const int error = MPI_Irecv(in[r].at, (int)in[r].bytes, MPI_BYTE, r, tag, MPI_COMM_WORLD, &requests[r]);
    if (error != MPI_SUCCESS) return throw_mpi_error(env, "cannot receive", error);
  }
  for (int step = 1; step < size; step++) {
    // Each rank starts with a different one.
    const int r = (rank + step) % size;
    if (out[r].bytes == 0) continue;
    const int error = MPI_Isend(out[r].at, (int)out[r].bytes, MPI_BYTE, r, tag, MPI_COMM_WORLD, &requests[size + r]);
    if (error != MPI_SUCCESS) return throw_mpi_error(env, "cannot send", error);
    sent_bytes += out[r].bytes;
    sent_messages++;
  }
  if (out[rank].bytes > 0 && in[rank].at != out[rank].at) memcpy(in[rank].at, out[rank].at, out[rank].bytes);
  return wait_for_all(env, timeout);
}
