// A sum that is under way while a process computes: pieces to those who add them up, then the sums back to all, as in
// sumFloats.
#pragma once

#include "messages.h"

/**
 * The most that goes in one message: a short one needs no word of the other side's, so that it passes while that
 * computes.
 */
#define SHORT_MESSAGE 32768

static struct {
  float *numbers, *pieces;
  size_t count;
  enum { NOTHING, PIECES, SUMS } stage;
  int tag;
  /** Messages of the stage, and of each its request, the process at the other end, and its bytes. */
  int messages;
  MPI_Request *requests;
  MPI_Status *statuses;
  int *finished, *others, *lengths;
} ahead;

/** The piece that a process adds up. */
static float *piece_of(int r) { return ahead.numbers + ahead.count * r / size; }
static size_t length_of(int r) { return ahead.count * (r + 1) / size - ahead.count * r / size; }

/** Sends floats to a process, or receives them from it, in short messages, which come in their order. */
static int passes(napi_env env, int sends, float *at, size_t length, int r) {
  const size_t bytes = length * sizeof(float);
  for (size_t done = 0; done < bytes; done += SHORT_MESSAGE) {
    const int part = (int)(bytes - done < SHORT_MESSAGE ? bytes - done : SHORT_MESSAGE), m = ahead.messages++;
    char *const from = (char *)at + done;
    ahead.others[m] = r;
    ahead.lengths[m] = sends ? -1 : part;
    const int error = sends ? MPI_Isend(from, part, MPI_BYTE, r, ahead.tag, MPI_COMM_WORLD, &ahead.requests[m])
                            : MPI_Irecv(from, part, MPI_BYTE, r, ahead.tag, MPI_COMM_WORLD, &ahead.requests[m]);
    if (error != MPI_SUCCESS) return fails_by(env, sends ? "cannot send" : "cannot receive", error);
    if (!sends) continue;
    sent_bytes += part;
    sent_messages++;
  }
  return 0;
}

/** Begins with the pieces. */
static int begins_ahead(napi_env env, float *numbers, size_t count) {
  if (ahead.stage != NOTHING) return fails(env, "MPI", "another sum is under way");
  ahead.numbers = numbers;
  ahead.count = count;
  ahead.tag = exchanges++ % 32768;
  const size_t most = 2 * size * ((count / size + 1) * sizeof(float) / SHORT_MESSAGE + 1), own = length_of(self);
  ahead.requests = realloc(ahead.requests, most * sizeof *ahead.requests);
  ahead.statuses = realloc(ahead.statuses, most * sizeof *ahead.statuses);
  ahead.finished = realloc(ahead.finished, most * sizeof *ahead.finished);
  ahead.others = realloc(ahead.others, most * sizeof *ahead.others);
  ahead.lengths = realloc(ahead.lengths, most * sizeof *ahead.lengths);
  ahead.pieces = realloc(ahead.pieces, own * size * sizeof(float) + 1);
  if (!ahead.requests || !ahead.statuses || !ahead.finished || !ahead.others || !ahead.lengths || !ahead.pieces)
    return fails(env, "MPI", "there is no memory for a sum");
  ahead.messages = 0;
  ahead.stage = PIECES;
  for (int r = 0; r < size; r++) if (r != self && passes(env, 0, ahead.pieces + r * own, own, r)) return 1;
  for (int step = 1; step < size; step++) {
    const int r = (self + step) % size;
    if (passes(env, 1, piece_of(r), length_of(r), r)) return 1;
  }
  memcpy(ahead.pieces + self * own, piece_of(self), own * sizeof(float));
  return 0;
}

/** Adds the pieces up, in the order of ranks, and begins with the sums. */
static int adds_up(napi_env env) {
  const size_t own = length_of(self);
  float *const sums = piece_of(self);
  ahead.messages = 0;
  ahead.stage = SUMS;
  for (int r = 0; r < size; r++) if (r != self && passes(env, 0, piece_of(r), length_of(r), r)) return 1;
  for (size_t i = 0; i < own; i++) {
    double sum = 0;
    for (int r = 0; r < size; r++) sum += ahead.pieces[r * own + i];
    sums[i] = (float)sum;
  }
  for (int step = 1; step < size; step++) if (passes(env, 1, sums, own, (self + step) % size)) return 1;
  return 0;
}

/** Moves on what is under way; -1 where something is wrong, else how many messages have come through. */
static int moves_on(napi_env env) {
  if (ahead.stage == NOTHING) return 0;
  int count = 0;
  const int error = MPI_Testsome(ahead.messages, ahead.requests, &count, ahead.finished, ahead.statuses);
  if (error == MPI_ERR_IN_STATUS) {
    for (int i = 0; i < count; i++)
      if (ahead.statuses[i].MPI_ERROR != MPI_SUCCESS && ahead.statuses[i].MPI_ERROR != MPI_ERR_PENDING)
        return fails_by(env, "a message did not arrive as it should", ahead.statuses[i].MPI_ERROR), -1;
  } else if (error != MPI_SUCCESS) return fails_by(env, "messages cannot be exchanged", error), -1;
  if (count == MPI_UNDEFINED) {
    if (ahead.stage == PIECES) return adds_up(env) ? -1 : 1;
    ahead.stage = NOTHING;
    return 1;
  }
  for (int i = 0; i < count; i++) {
    const int m = ahead.finished[i];
    if (ahead.lengths[m] >= 0 && is_short(env, &ahead.statuses[i], ahead.others[m], ahead.lengths[m])) return -1;
  }
  return count;
}

/** Waits for its end, so many seconds at the most where that is more than 0. */
static int ends_ahead(napi_env env, double timeout) {
  const double begin = seconds();
  for (unsigned looks = 0; ahead.stage != NOTHING; looks++) {
    const int count = moves_on(env);
    if (count < 0) return 1;
    if (count > 0) looks = 0;
    if (looks < SPINS) continue;
    if (timeout > 0 && seconds() - begin > timeout) {
      for (int r = 0; r < 2 * size; r++) requests[r] = MPI_REQUEST_NULL;
      for (int m = 0; m < ahead.messages; m++)
        if (ahead.requests[m] != MPI_REQUEST_NULL) requests[ahead.others[m]] = ahead.requests[m];
      return times_out(env, timeout);
    }
    rests(looks);
  }
  return 0;
}
