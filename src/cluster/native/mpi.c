// Collective operations of a job's processes, by MPI and Node-API. Sums are computed in rank order, so that they are
// bitwise identical in all ranks.

#include "async-sum.h"

/** A buffer that grows on demand. */
typedef struct {
  char *at;
  size_t bytes;
} buffer;
static buffer all_numbers, all_pieces;

/** Returns a buffer's memory of at least `bytes` bytes; its content is lost if it grows. */
static char *reserve(buffer *of, size_t bytes) {
  if (of->bytes < bytes) {
    free(of->at);
    of->at = malloc(bytes);
    of->bytes = of->at ? bytes : 0;
  }
  return of->at;
}

/** Returns address and size of a typed array. */
static int view(napi_env env, napi_value value, char **at, size_t *bytes) {
  static const size_t widths[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  napi_typedarray_type type;
  size_t length;
  void *data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok ||
      (size_t)type >= sizeof widths / sizeof *widths)
    return throw_error(env, "MPI", "expected a typed array");
  *at = data;
  *bytes = length * widths[type];
  return 0;
}

static void arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
}

static double number(napi_env env, napi_value value) {
  double result = 0;
  napi_get_value_double(env, value, &result);
  return result;
}

/** Creates an array of two numbers. */
static napi_value pair(napi_env env, double first, double second) {
  napi_value both, each;
  napi_create_array(env, &both);
  napi_create_double(env, first, &each);
  napi_set_element(env, both, 0, each);
  napi_create_double(env, second, &each);
  napi_set_element(env, both, 1, each);
  return both;
}

/** start(): [rank, size, library name]. A second call is an error of MPI. */
static napi_value start(napi_env env, napi_callback_info info) {
  (void)info;
  int provided = 0, length = 0;
  char library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  const int error = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  if (error != MPI_SUCCESS) {
    throw_mpi_error(env, "cannot initialize MPI", error);
    return NULL;
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Get_library_version(library, &length);
  requests = malloc(2 * size * sizeof *requests);
  statuses = malloc(2 * size * sizeof *statuses);
  finished = malloc(2 * size * sizeof *finished);
  expected = malloc(size * sizeof *expected);
  napi_value all = pair(env, rank, size), each;
  napi_create_string_utf8(env, library, NAPI_AUTO_LENGTH, &each);
  napi_set_element(env, all, 2, each);
  return all;
}

/** allGather(own, all, bytes per rank, timeout): parts are in rank order. */
static napi_value all_gather(napi_env env, napi_callback_info info) {
  napi_value values[4];
  char *at[3];
  size_t bytes[3], received = 0;
  arguments(env, info, 4, values);
  for (int i = 0; i < 3; i++) if (view(env, values[i], &at[i], &bytes[i])) return NULL;
  if (bytes[2] != size * sizeof(double)) return throw_error(env, "MPI", "expected a number per rank"), NULL;
  part out[size], in[size];
  for (int r = 0; r < size; r++) {
    out[r] = (part){at[0], bytes[0]};
    in[r] = (part){at[1] + received, (size_t)((double *)at[2])[r]};
    received += in[r].bytes;
  }
  if (received > bytes[1] || in[rank].bytes != bytes[0])
    return throw_error(env, "MPI", "the gathered parts do not fit"), NULL;
  exchange_parts(env, out, in, number(env, values[3]));
  return NULL;
}

/** allToAll(out, bytes per part, in, bytes per part, timeout): parts are contiguous, in rank order. */
static napi_value all_to_all(napi_env env, napi_callback_info info) {
  napi_value values[5];
  char *at[4];
  size_t bytes[4];
  arguments(env, info, 5, values);
  for (int i = 0; i < 4; i++) if (view(env, values[i], &at[i], &bytes[i])) return NULL;
  part out[size], in[size];
  size_t sent = 0, received = 0;
  if (bytes[1] != size * sizeof(double) || bytes[3] != bytes[1])
    return throw_error(env, "MPI", "expected a number per rank"), NULL;
  for (int r = 0; r < size; r++) {
    out[r] = (part){at[0] + sent, (size_t)((double *)at[1])[r]};
    in[r] = (part){at[2] + received, (size_t)((double *)at[3])[r]};
    sent += out[r].bytes;
    received += in[r].bytes;
  }
  if (sent > bytes[0] || received > bytes[2] || out[rank].bytes != in[rank].bytes)
    return throw_error(env, "MPI", "the sizes of the parts do not match the arrays"), NULL;
  exchange_parts(env, out, in, number(env, values[4]));
  return NULL;
}

/** allReduceF64(numbers, timeout): sums in place. */
static napi_value all_reduce_f64(napi_env env, napi_callback_info info) {
  napi_value values[2];
  char *at;
  size_t bytes;
  arguments(env, info, 2, values);
  if (view(env, values[0], &at, &bytes)) return NULL;
  double *const numbers = (double *)at, *const all = (double *)reserve(&all_numbers, bytes * size + 1);
  if (!all) return throw_error(env, "MPI", "out of memory for a sum"), NULL;
  part out[size], in[size];
  for (int r = 0; r < size; r++) {
    out[r] = (part){at, bytes};
    in[r] = (part){(char *)all + r * bytes, bytes};
  }
  if (exchange_parts(env, out, in, number(env, values[1]))) return NULL;
  const size_t count = bytes / sizeof(double);
  for (size_t i = 0; i < count; i++) {
    double sum = 0;
    for (int r = 0; r < size; r++) sum += all[r * count + i];
    numbers[i] = sum;
  }
  return NULL;
}

/** allReduceF32(numbers, timeout): sums in place. Each rank sums a piece in double precision, and sends it to all. */
static napi_value all_reduce_f32(napi_env env, napi_callback_info info) {
  napi_value values[2];
  char *at;
  size_t bytes;
  arguments(env, info, 2, values);
  if (view(env, values[0], &at, &bytes)) return NULL;
  const double timeout = number(env, values[1]);
  const size_t count = bytes / sizeof(float);
  part out[size], in[size];
  for (int r = 0; r < size; r++) {
    const size_t begin = count * r / size, end = count * (r + 1) / size;
    out[r] = (part){at + begin * sizeof(float), (end - begin) * sizeof(float)};
  }
  const size_t own = out[rank].bytes;
  float *const all = (float *)reserve(&all_pieces, own * size + 1);
  if (!all) return throw_error(env, "MPI", "out of memory for a sum"), NULL;
  for (int r = 0; r < size; r++) in[r] = (part){(char *)all + r * own, own};
  if (exchange_parts(env, out, in, timeout)) return NULL;
  float *const sums = (float *)out[rank].at;
  const size_t length = own / sizeof(float);
  for (size_t i = 0; i < length; i++) {
    double sum = 0;
    for (int r = 0; r < size; r++) sum += all[r * length + i];
    sums[i] = (float)sum;
  }
  part own_sums[size];
  for (int r = 0; r < size; r++) own_sums[r] = out[rank];
  exchange_parts(env, own_sums, out, timeout);
  return NULL;
}

/** startAllReduce(numbers): starts an allReduceF32; the numbers must not be accessed before its end. */
static napi_value start_all_reduce(napi_env env, napi_callback_info info) {
  napi_value values[1];
  char *at;
  size_t bytes;
  arguments(env, info, 1, values);
  if (!view(env, values[0], &at, &bytes)) start_sum(env, (float *)at, bytes / sizeof(float));
  return NULL;
}

/** pollAllReduce(): advances it without waiting. */
static napi_value poll_all_reduce(napi_env env, napi_callback_info info) {
  (void)info;
  advance_sum(env);
  return NULL;
}

/** waitAllReduce(timeout): waits for its end, if one is in flight. */
static napi_value wait_all_reduce(napi_env env, napi_callback_info info) {
  napi_value values[1];
  arguments(env, info, 1, values);
  wait_for_sum(env, number(env, values[0]));
  return NULL;
}

/** sent(): [bytes, messages] sent to other ranks. */
static napi_value sent(napi_env env, napi_callback_info info) {
  (void)info;
  return pair(env, sent_bytes, sent_messages);
}

/** finalize(): every rank must call it. */
static napi_value finalize(napi_env env, napi_callback_info info) {
  (void)info;
  const int error = MPI_Finalize();
  if (error != MPI_SUCCESS) throw_mpi_error(env, "cannot finalize MPI", error);
  return NULL;
}

/** abort(exit code): ends all processes of the job. */
static napi_value abort_all(napi_env env, napi_callback_info info) {
  napi_value values[1];
  arguments(env, info, 1, values);
  MPI_Abort(MPI_COMM_WORLD, (int)number(env, values[0]));
  return NULL;
}

NAPI_MODULE_INIT() {
  const struct { const char *name; napi_callback call; } functions[] = {
    {"start", start},
    {"allGather", all_gather},
    {"allToAll", all_to_all},
    {"allReduceF64", all_reduce_f64},
    {"allReduceF32", all_reduce_f32},
    {"startAllReduce", start_all_reduce},
    {"pollAllReduce", poll_all_reduce},
    {"waitAllReduce", wait_all_reduce},
    {"sent", sent},
    {"finalize", finalize},
    {"abort", abort_all},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
