// Exchanges between the processes of a job, through MPI and Node-API. Sums are taken in the order of ranks, so that
// they have the same bits everywhere.

#include "ahead.h"

/** Memory that grows, for what is on its way. */
typedef struct {
  char *at;
  size_t bytes;
} room;
static room scratch, piece;

static char *grown(room *of, size_t bytes) {
  if (of->bytes < bytes) {
    free(of->at);
    of->at = malloc(bytes);
    of->bytes = of->at ? bytes : 0;
  }
  return of->at;
}

/** The bytes of a typed array. */
static int view(napi_env env, napi_value value, char **at, size_t *bytes) {
  static const size_t widths[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  napi_typedarray_type type;
  size_t length;
  void *data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok ||
      (size_t)type >= sizeof widths / sizeof *widths)
    return fails(env, "MPI", "expected a typed array");
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

/** Two numbers, as an array. */
static napi_value pair(napi_env env, double first, double second) {
  napi_value both, each;
  napi_create_array(env, &both);
  napi_create_double(env, first, &each);
  napi_set_element(env, both, 0, each);
  napi_create_double(env, second, &each);
  napi_set_element(env, both, 1, each);
  return both;
}

/** start(): [rank, size, the library's name]; a second time is an error of MPI's. */
static napi_value start(napi_env env, napi_callback_info info) {
  (void)info;
  int provided = 0, length = 0;
  char library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  const int error = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  if (error != MPI_SUCCESS) {
    fails_by(env, "MPI does not start", error);
    return NULL;
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &self);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Get_library_version(library, &length);
  requests = malloc(2 * size * sizeof *requests);
  statuses = malloc(2 * size * sizeof *statuses);
  finished = malloc(2 * size * sizeof *finished);
  awaited = malloc(size * sizeof *awaited);
  napi_value all = pair(env, self, size), each;
  napi_create_string_utf8(env, library, NAPI_AUTO_LENGTH, &each);
  napi_set_element(env, all, 2, each);
  return all;
}

/** gather(own, all, bytes of each, timeout): what everyone has, in the order of ranks */
static napi_value gather(napi_env env, napi_callback_info info) {
  napi_value values[4];
  char *at[3];
  size_t bytes[3], received = 0;
  arguments(env, info, 4, values);
  for (int i = 0; i < 3; i++) if (view(env, values[i], &at[i], &bytes[i])) return NULL;
  if (bytes[2] != size * sizeof(double)) return fails(env, "MPI", "expected a number for everyone"), NULL;
  part out[size], in[size];
  for (int r = 0; r < size; r++) {
    out[r] = (part){at[0], bytes[0]};
    in[r] = (part){at[1] + received, (size_t)((double *)at[2])[r]};
    received += in[r].bytes;
  }
  if (received > bytes[1] || in[self].bytes != bytes[0])
    return fails(env, "MPI", "what is gathered does not fit"), NULL;
  exchange_parts(env, out, in, number(env, values[3]));
  return NULL;
}

/**
 * exchange(out, bytes of each part, in, bytes of each part, timeout): parts lie one behind the other, in the order of
 * ranks
 */
static napi_value exchange(napi_env env, napi_callback_info info) {
  napi_value values[5];
  char *at[4];
  size_t bytes[4];
  arguments(env, info, 5, values);
  for (int i = 0; i < 4; i++) if (view(env, values[i], &at[i], &bytes[i])) return NULL;
  part out[size], in[size];
  size_t sent = 0, received = 0;
  if (bytes[1] != size * sizeof(double) || bytes[3] != bytes[1])
    return fails(env, "MPI", "expected a number for everyone"), NULL;
  for (int r = 0; r < size; r++) {
    out[r] = (part){at[0] + sent, (size_t)((double *)at[1])[r]};
    in[r] = (part){at[2] + received, (size_t)((double *)at[3])[r]};
    sent += out[r].bytes;
    received += in[r].bytes;
  }
  if (sent > bytes[0] || received > bytes[2] || out[self].bytes != in[self].bytes)
    return fails(env, "MPI", "the parts are not as large as what they lie in"), NULL;
  exchange_parts(env, out, in, number(env, values[4]));
  return NULL;
}

/** sumDoubles(numbers, timeout): everyone's, in place */
static napi_value sum_doubles(napi_env env, napi_callback_info info) {
  napi_value values[2];
  char *at;
  size_t bytes;
  arguments(env, info, 2, values);
  if (view(env, values[0], &at, &bytes)) return NULL;
  double *const numbers = (double *)at, *const all = (double *)grown(&scratch, bytes * size + 1);
  if (!all) return fails(env, "MPI", "there is no memory for a sum"), NULL;
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

/** sumFloats(numbers, timeout): everyone's, in place: each adds up a piece in double precision, and gives it to all */
static napi_value sum_floats(napi_env env, napi_callback_info info) {
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
  const size_t own = out[self].bytes;
  float *const all = (float *)grown(&piece, own * size + 1);
  if (!all) return fails(env, "MPI", "there is no memory for a sum"), NULL;
  for (int r = 0; r < size; r++) in[r] = (part){(char *)all + r * own, own};
  if (exchange_parts(env, out, in, timeout)) return NULL;
  float *const sums = (float *)out[self].at;
  const size_t length = own / sizeof(float);
  for (size_t i = 0; i < length; i++) {
    double sum = 0;
    for (int r = 0; r < size; r++) sum += all[r * length + i];
    sums[i] = (float)sum;
  }
  part mine[size];
  for (int r = 0; r < size; r++) mine[r] = out[self];
  exchange_parts(env, mine, out, timeout);
  return NULL;
}

/** beginSum(numbers): begins what sumFloats does; nobody touches them before its end. */
static napi_value begin_sum(napi_env env, napi_callback_info info) {
  napi_value values[1];
  char *at;
  size_t bytes;
  arguments(env, info, 1, values);
  if (!view(env, values[0], &at, &bytes)) begins_ahead(env, (float *)at, bytes / sizeof(float));
  return NULL;
}

/** goOn(): moves it on, as far as that needs no waiting */
static napi_value go_on(napi_env env, napi_callback_info info) {
  (void)info;
  moves_on(env);
  return NULL;
}

/** endSum(timeout): waits for its end, if one has begun */
static napi_value end_sum(napi_env env, napi_callback_info info) {
  napi_value values[1];
  arguments(env, info, 1, values);
  ends_ahead(env, number(env, values[0]));
  return NULL;
}

/** sent(): [bytes, messages] that went to others so far */
static napi_value sent(napi_env env, napi_callback_info info) {
  (void)info;
  return pair(env, sent_bytes, sent_messages);
}

/** stop(): ends it well; everyone has to come. */
static napi_value stop(napi_env env, napi_callback_info info) {
  (void)info;
  const int error = MPI_Finalize();
  if (error != MPI_SUCCESS) fails_by(env, "MPI does not end", error);
  return NULL;
}

/** abort(exit code): ends all processes of the job. */
static napi_value end_all(napi_env env, napi_callback_info info) {
  napi_value values[1];
  arguments(env, info, 1, values);
  MPI_Abort(MPI_COMM_WORLD, (int)number(env, values[0]));
  return NULL;
}

NAPI_MODULE_INIT() {
  const struct { const char *name; napi_callback call; } functions[] = {
    {"start", start},
    {"gather", gather},
    {"exchange", exchange},
    {"sumDoubles", sum_doubles},
    {"sumFloats", sum_floats},
    {"beginSum", begin_sum},
    {"goOn", go_on},
    {"endSum", end_sum},
    {"sent", sent},
    {"stop", stop},
    {"abort", end_all},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
