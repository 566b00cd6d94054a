import { z } from 'zod';
import { artifactStore, type RunFile, type TextFile } from './mlflow-artifacts.js';

// The parts of MLflow's REST API that mtl uses: https://mlflow.org/docs/latest/rest-api.html.

/** A metric value at a step. */
export interface MlflowMetric {
  readonly key: string;
  readonly value: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly step: number;
}

/** A data set of a run. */
export interface MlflowInput {
  /** Use of the data set: `train`, `valid` or `test`. */
  readonly context: string;
  readonly name: string;
  /** At most 36 characters; identifies the data set. */
  readonly digest: string;
  readonly uri: string;
}

/** A model of a run, to be logged. */
export interface MlflowModel {
  readonly name: string;
  /** Number of training steps. */
  readonly step: number;
  /** Lists the files of the model, once the server has given it an id and a location. */
  files(modelId: string, artifactUri: string): readonly (RunFile | TextFile)[];
}

/** Maximum number of metrics per request. */
export const METRICS_PER_REQUEST = 1000;
const PARAMS_PER_REQUEST = 100;
/** Maximum length of a parameter that all server versions accept. */
const MAX_PARAM_LENGTH = 500;
const TIMEOUT_MS = 10_000;

const experimentSchema = z.looseObject({ experiment_id: z.string() });
const runSchema = z.looseObject({
  run: z.looseObject({
    info: z.looseObject({
      run_id: z.string(),
      experiment_id: z.string().default(''),
      artifact_uri: z.string().default(''),
    }),
    data: z
      .looseObject({
        metrics: z.array(z.looseObject({ key: z.string(), step: z.coerce.number().default(0) })).default([]),
      })
      .optional(),
  }),
});
const modelSchema = z.looseObject({
  model: z.looseObject({ info: z.looseObject({ model_id: z.string(), artifact_uri: z.string() }) }),
});
const refusalSchema = z.looseObject({ error_code: z.string(), message: z.string().default('') });

/** Client of a tracking server. All methods reject with an Error that describes the problem. */
export class MlflowClient {
  readonly url: string;
  readonly #authorization: { readonly authorization?: string };

  /** Reads credentials from the environment variables of MLflow's own clients. */
  constructor(address: string, environment: Readonly<Record<string, string | undefined>>) {
    this.url = address.replace(/\/+$/, '');
    const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user } = environment;
    const credentials = `${user}:${environment['MLFLOW_TRACKING_PASSWORD'] ?? ''}`;
    if (token !== undefined) this.#authorization = { authorization: `Bearer ${token}` };
    else if (user !== undefined)
      this.#authorization = { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
    else this.#authorization = {};
  }

  /** Returns the id of an experiment; creates it if it does not exist. */
  async experimentId(name: string): Promise<string> {
    const find = async (): Promise<string> => {
      const schema = z.looseObject({ experiment: experimentSchema });
      const { experiment } = await this.#get('experiments/get-by-name', { experiment_name: name }, schema);
      return experiment.experiment_id;
    };
    try {
      return await find();
    } catch (error) {
      if (!(error instanceof MissingError)) throw error;
    }
    // Another run may create it concurrently.
    return this.#post('experiments/create', { name }, experimentSchema).then(({ experiment_id: id }) => id, find);
  }

  /** @returns the id of the run */
  async createRun(
    experimentId: string,
    {
      name,
      startMs,
      tags,
    }: { readonly name: string; readonly startMs: number; readonly tags: Readonly<Record<string, string>> },
  ): Promise<string> {
    const { run } = await this.#post(
      'runs/create',
      {
        experiment_id: experimentId,
        run_name: name,
        start_time: startMs,
        tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
      },
      runSchema,
    );
    return run.info.run_id;
  }

  async logParams(runId: string, params: ReadonlyMap<string, string | number | boolean>): Promise<void> {
    const entries = Array.from(params, ([key, value]) => ({ key, value: truncate(String(value)) }));
    for (let begin = 0; begin < entries.length; begin += PARAMS_PER_REQUEST)
      await this.#post('runs/log-batch', { run_id: runId, params: entries.slice(begin, begin + PARAMS_PER_REQUEST) });
  }

  async logMetrics(runId: string, metrics: readonly MlflowMetric[]): Promise<void> {
    if (metrics.length > 0) await this.#post('runs/log-batch', { run_id: runId, metrics });
  }

  /** Sets a run to running again; returns the last step of each of its metrics. */
  async reopen(runId: string): Promise<ReadonlyMap<string, number>> {
    await this.#post('runs/update', { run_id: runId, status: 'RUNNING' });
    const { run } = await this.#get('runs/get', { run_id: runId }, runSchema);
    return new Map((run.data?.metrics ?? []).map(({ key, step }) => [key, step]));
  }

  async endRun(runId: string, status: string, endMs: number): Promise<void> {
    await this.#post('runs/update', { run_id: runId, status, end_time: endMs });
  }

  /** Records the data sets of a run; repeated ones are recorded once. */
  async logInputs(runId: string, inputs: readonly MlflowInput[]): Promise<void> {
    const datasets = inputs.map(({ context, name, digest, uri }) => ({
      tags: [{ key: 'mlflow.data.context', value: context }],
      dataset: { name, digest, source_type: 'local', source: JSON.stringify({ uri }) },
    }));
    if (datasets.length > 0) await this.#post('runs/log-inputs', { run_id: runId, datasets });
  }

  /** Uploads files as artifacts of a run. */
  async logArtifacts(runId: string, files: readonly RunFile[]): Promise<void> {
    const { run } = await this.#get('runs/get', { run_id: runId }, runSchema);
    await artifactStore(this.url, run.info.artifact_uri, this.#authorization)(files);
  }

  /**
   * Logs a model of a run: creates it, uploads its files and marks it as ready, or as failed. Requires MLflow 3.
   * @returns the URI of the model
   */
  async logModel(runId: string, { name, step, files }: MlflowModel): Promise<string> {
    const { run } = await this.#get('runs/get', { run_id: runId }, runSchema);
    const { model } = await this.#post(
      'logged-models',
      { experiment_id: run.info.experiment_id, name, source_run_id: runId },
      modelSchema,
    );
    const { model_id: id, artifact_uri: uri } = model.info;
    const setStatus = (status: string): Promise<unknown> => {
      const body = JSON.stringify({ model_id: id, status });
      return this.#request(`logged-models/${id}`, '', { method: 'PATCH', body }, modelSchema);
    };
    try {
      await artifactStore(this.url, uri, this.#authorization)(files(id, uri));
    } catch (error) {
      await setStatus('LOGGED_MODEL_UPLOAD_FAILED').catch(() => undefined);
      throw error;
    }
    await setStatus('LOGGED_MODEL_READY');
    await this.#post('runs/outputs', { run_id: runId, models: [{ model_id: id, step }] });
    return `models:/${id}`;
  }

  #get<Schema extends z.ZodType>(
    path: string,
    query: Readonly<Record<string, string>>,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    return this.#request(path, `?${new URLSearchParams(query).toString()}`, { method: 'GET' }, schema);
  }

  #post(path: string, content: object): Promise<unknown>;
  #post<Schema extends z.ZodType>(path: string, content: object, schema: Schema): Promise<z.output<Schema>>;
  #post(path: string, content: object, schema: z.ZodType = z.looseObject({})): Promise<unknown> {
    return this.#request(path, '', { method: 'POST', body: JSON.stringify(content) }, schema);
  }

  async #request<Schema extends z.ZodType>(
    path: string,
    query: string,
    init: Pick<RequestInit, 'method' | 'body'>,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    const response = await fetch(`${this.url}/api/2.0/mlflow/${path}${query}`, {
      ...init,
      headers: { 'content-type': 'application/json', ...this.#authorization },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((error: unknown) => {
      throw new Error(describeFailure(error), { cause: error });
    });
    const text = await response.text();
    if (!response.ok) throw toError(response.status, text, path);
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      throw new Error(`${path} returned an invalid answer`, { cause: error });
    }
  }
}

/** The server reports that the requested object does not exist. */
class MissingError extends Error {}

function toError(status: number, text: string, path: string): Error {
  let code = `HTTP ${status}`;
  let message = '';
  try {
    ({ error_code: code, message } = refusalSchema.parse(JSON.parse(text)));
  } catch {
    // A proxy may answer with an HTML page, which gives no reason.
  }
  // MLflow 2 has no logged models.
  if (code === 'HTTP 404') message = 'the server has no such endpoint; check its URL, or update it to MLflow 3';
  const problem = `${path} was rejected: ${code}${message === '' ? '' : `, ${message}`}`;
  return code === 'RESOURCE_DOES_NOT_EXIST' ? new MissingError(problem) : new Error(problem);
}

function describeFailure(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`;
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  const code =
    typeof cause === 'object' && cause !== null && 'code' in cause
      ? String(cause.code)
      : error instanceof Error
        ? error.message
        : String(error);
  return `cannot connect (${code})`;
}

function truncate(value: string): string {
  return value.length > MAX_PARAM_LENGTH ? `${value.slice(0, MAX_PARAM_LENGTH - 1)}…` : value;
}
