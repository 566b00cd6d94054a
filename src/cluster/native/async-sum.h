// An all-reduce in the background of a computation, as allReduceF32: a reduce-scatter, in which each rank sums a piece,
// then an all-gather of the sums.
#pragma once

#include "messages.h"

/** Maximum bytes per message: MPI sends short ones eagerly, thus while the receiver computes. */
#define SHORT_MESSAGE 32768

static struct {
  float *numbers, *pieces;
  size_t count;
  enum { IDLE, PIECES, SUMS } stage;
  int tag;
  /** Number of messages of the stage, and per message: its request, the other rank, and its bytes (-1: sent). */
  int messages;
  MPI_Request *requests;
  MPI_Status *statuses;
  int *finished, *others, *lengths;
} flight;

/** Returns the piece that a rank sums. */
static float *piece_of(int r) { return flight.numbers + flight.count * r / size; }
static size_t length_of(int r) { return flight.count * (r + 1) / size - flight.count * r / size; }

/** Sends floats to a rank, or receives them from it, in short messages, which arrive in order. */
static int transfer(napi_env env, int sends, float *at, size_t length, int r) {
  const size_t bytes = length * sizeof(float);
  for (size_t done = 0; done < bytes; done += SHORT_MESSAGE) {
    const int part = (int)(bytes - done < SHORT_MESSAGE ? bytes - done : SHORT_MESSAGE), m = flight.messages++;
    char *const from = (char *)at + done;
    flight.others[m] = r;
    flight.lengths[m] = sends ? -1 : part;
    const int error = sends ? MPI_Isend(from, part, MPI_BYTE, r, flight.tag, MPI_COMM_WORLD, &flight.requests[m])
                            : MPI_Irecv(from, part, MPI_BYTE, r, flight.tag, MPI_COMM_WORLD, &flight.requests[m]);
    if (error != MPI_SUCCESS) return throw_mpi_error(env, sends ? "cannot send" : "cannot receive", error);
    if (!sends) continue;
    sent_bytes += part;
    sent_messages++;
  }
  return 0;
}

/** Starts the reduce-scatter. */
static int start_sum(napi_env env, float *numbers, size_t count) {
  if (flight.stage != IDLE) return throw_error(env, "MPI", "another sum is in flight");
  flight.numbers = numbers;
  flight.count = count;
  flight.tag = exchanges++ % 32768;
  const size_t most = 2 * size * ((count / size + 1) * sizeof(float) / SHORT_MESSAGE + 1), own = length_of(rank);
  flight.requests = realloc(flight.requests, most * sizeof *flight.requests);
  flight.statuses = realloc(flight.statuses, most * sizeof *flight.statuses);
  flight.finished = realloc(flight.finished, most * sizeof *flight.finished);
  flight.others = realloc(flight.others, most * sizeof *flight.others);
  flight.lengths = realloc(flight.lengths, most * sizeof *flight.lengths);
  flight.pieces = realloc(flight.pieces, own * size * sizeof(float) + 1);
  if (!flight.requests || !flight.statuses || !flight.finished || !flight.others || !flight.lengths || !flight.pieces)
    return throw_error(env, "MPI", "out of memory for a sum");
  flight.messages = 0;
  flight.stage = PIECES;
  for (int r = 0; r < size; r++) if (r != rank && transfer(env, 0, flight.pieces + r * own, own, r)) return 1;
  for (int step = 1; step < size; step++) {
    const int r = (rank + step) % size;
    if (transfer(env, 1, piece_of(r), length_of(r), r)) return 1;
  }
  memcpy(flight.pieces + rank * own, piece_of(rank), own * sizeof(float));
  return 0;
}

/** Sums the pieces in rank order, and starts the all-gather. */
static int sum_pieces(napi_env env) {
  const size_t own = length_of(rank);
  float *const sums = piece_of(rank);
  flight.messages = 0;
  flight.stage = SUMS;
  for (int r = 0; r < size; r++) if (r != rank && transfer(env, 0, piece_of(r), length_of(r), r)) return 1;
  for (size_t i = 0; i < own; i++) {
    double sum = 0;
    for (int r = 0; r < size; r++) sum += flight.pieces[r * own + i];
    sums[i] = (float)sum;
  }
  for (int step = 1; step < size; step++) if (transfer(env, 1, sums, own, (rank + step) % size)) return 1;
  return 0;
}

/** Advances the sum in flight; returns the number of completed messages, or -1 after an error. */
static int advance_sum(napi_env env) {
  if (flight.stage == IDLE) return 0;
  int count = 0;
  const int error = MPI_Testsome(flight.messages, flight.requests, &count, flight.finished, flight.statuses);
  if (error == MPI_ERR_IN_STATUS) {
    for (int i = 0; i < count; i++)
      if (flight.statuses[i].MPI_ERROR != MPI_SUCCESS && flight.statuses[i].MPI_ERROR != MPI_ERR_PENDING)
        return throw_mpi_error(env, "a message was not received", flight.statuses[i].MPI_ERROR), -1;
  } else if (error != MPI_SUCCESS) return throw_mpi_error(env, "cannot exchange messages", error), -1;
  if (count == MPI_UNDEFINED) {
    if (flight.stage == PIECES) return sum_pieces(env) ? -1 : 1;
    flight.stage = IDLE;
    return 1;
  }
  for (int i = 0; i < count; i++) {
    const int m = flight.finished[i];
    if (flight.lengths[m] >= 0 && throw_if_short(env, &flight.statuses[i], flight.others[m], flight.lengths[m]))
      return -1;
  }
  return count;
}

/** Waits for the sum in flight, at most `timeout` seconds if it is positive. */
static int wait_for_sum(napi_env env, double timeout) {
  const double begin = seconds();
  for (unsigned polls = 0; flight.stage != IDLE; polls++) {
    const int count = advance_sum(env);
    if (count < 0) return 1;
    if (count > 0) polls = 0;
    if (polls < SPINS) continue;
    if (timeout > 0 && seconds() - begin > timeout) {
      for (int r = 0; r < 2 * size; r++) requests[r] = MPI_REQUEST_NULL;
      for (int m = 0; m < flight.messages; m++)
        if (flight.requests[m] != MPI_REQUEST_NULL) requests[flight.others[m]] = flight.requests[m];
      return throw_timeout(env, timeout);
    }
    pause_polling(polls);
  }
  return 0;
}
