import type { Server } from 'node:http';
import { monotonicMs } from '../system/clock.js';
import { rowsOfObjects } from '../data/objects/given-rows.js';
import { didYouMean, quoted, formatStack } from '../core/errors.js';
import { BUG } from './answer-bundle.js';
import { createUnpacker } from './body.js';
import type { Assignment, Canary } from './canary/canary.js';
import { REQUEST_ID } from './canary/request-id.js';
import { listCanaryRoutes } from './canary/routes.js';
import { createHttpServer, JSON_TYPE, type HttpReply, type RoutedRequest } from './http-server.js';
import type { Answered, BodyKind, BodyLimits, Form, ModelFacts } from './messages.js';
import { indexEntry, modelConfig, modelMetadata, modelStatistics, serverMetadata } from './metadata.js';
import type { ServeMetrics } from './metrics.js';
import { OPEN_METRICS_TYPE, prefersOpenMetrics, toOpenMetrics } from './open-metrics.js';
import { buildDocument, type DescribedRoute, type QueryOption, type RouteDocs } from './openapi/document.js';
import type { BodyName } from './openapi/schemas.js';
import { asRefusal, refusal, Refusal, refusedAnswer } from './refusal.js';
import { readRows } from './rows-request.js';
import type { ServedModels } from './served-models.js';
import { createTokenCheck } from './token.js';
import { noCounters } from '../trained-model/load-states.js';

/** Dependencies of the routes. */
export interface AppOptions {
  readonly models: Pick<ServedModels, 'names' | 'isReady' | 'isLive' | 'pool'>;
  /** Compares a second model on the same requests; default: none. */
  readonly canary?: Canary | undefined;
  readonly metrics: ServeMetrics;
  readonly limits: BodyLimits;
  readonly timeoutMs: number;
  /** Token that requests must send; undefined accepts all requests. */
  readonly token: string | undefined;
  /** Whether the server is shutting down. */
  isDraining(): boolean;
  /** Receives the stack of unexpected errors. */
  onBug(text: string): void;
}

const OCTETS = 'application/octet-stream';
/** Header of the binary tensor extension. */
const JSON_BYTES = 'inference-header-content-length';
const ANY_QUERY = {
  onBadRow: {
    values: ['error', 'skip'],
    description: 'Whether an invalid row is an error, or has the prediction null and a problem.',
  },
  onMissing: {
    values: ['error', 'oov'],
    description: 'Whether a column that a row lacks is an error, or null, so that no column is required.',
  },
};
/** Descriptions of the routes with predictions. */
const PREDICT_DOCS: Readonly<Record<Form, RouteDocs & { readonly query: Partial<typeof ANY_QUERY> }>> = {
  rows: {
    summary: 'Predicts rows, or the candidates of a user.',
    query: ANY_QUERY,
    body: 'PredictRequest',
    response: 'PredictResponse',
    errors: [404, 504],
  },
  tensors: {
    summary: 'Predicts columns as tensors of the Open Inference Protocol.',
    query: { onMissing: ANY_QUERY.onMissing },
    headers: { [JSON_BYTES]: 'Number of bytes of the JSON, if binary tensors follow it.' },
    body: 'InferRequest',
    response: 'InferResponse',
    otherTypes: [OCTETS],
    errors: [504],
  },
};
const EVENTS_QUERY: Readonly<Record<string, QueryOption>> = {
  of: {
    values: [],
    description: 'Labels, separated by commas, whose counters the events are added to; default: all counters.',
  },
};

/** Creates the server: predictions by JSON and by the Open Inference Protocol, probes and metrics. */
export function createApp(options: AppOptions): Server {
  const { limits, timeoutMs, token, isDraining, onBug } = options;
  const isAllowed = token === undefined ? () => true : createTokenCheck(token);
  return createHttpServer({
    routes: listRoutes(options),
    maxBytes: limits.bytes,
    timeoutMs,
    isDraining,
    pathFix: 'use POST /predict with {"rows": […]}, or GET /v2',
    authorize(route, { authorization }) {
      if (route?.isOpen === true || isAllowed(authorization)) return;
      throw refusal(401, {
        where: 'authorization',
        message: 'missing or wrong token',
        fix: 'send the header Authorization: Bearer TOKEN',
      });
    },
    onError(error) {
      const refused = asRefusal(error);
      if (refused === undefined) onBug(formatStack(error));
      return toReply(refused === undefined ? BUG : refusedAnswer(refused));
    },
  });
}

/** Lists all routes; the last one describes them. */
function listRoutes(options: AppOptions): readonly DescribedRoute[] {
  const { models, canary, limits, token } = options;
  const routes: readonly DescribedRoute[] = [
    ...probeRoutes(options),
    ...tritonRoutes(options),
    ...factRoutes(options),
    ...predictRoutes(options),
    ...eventRoutes(options),
    ...(canary === undefined ? [] : listCanaryRoutes(canary, limits)),
    {
      method: 'GET',
      path: '/openapi.json',
      docs: { summary: 'Returns this document.', response: 'OpenApi' },
      handle() {
        const facts = models.names.map((name) => models.pool(name).facts);
        return jsonReply(buildDocument(routes, { models: facts, hasToken: token !== undefined }));
      },
    },
  ];
  return routes;
}

/** Routes for liveness and readiness probes. */
function probeRoutes({ models, isDraining }: AppOptions): readonly DescribedRoute[] {
  const isReady = (): boolean => models.isReady && !isDraining();
  const probe = (path: string, name: 'live' | 'ready', is: () => boolean): DescribedRoute => ({
    method: 'GET',
    path,
    isOpen: true,
    docs: {
      summary: name === 'live' ? 'Returns whether the server can recover.' : 'Returns whether the server can predict.',
      response: name === 'live' ? 'Live' : 'Ready',
      statuses: [200, 503],
    },
    handle: () => probeReply(is(), name),
  });
  return [
    ...['/healthz', '/v2/health/live'].map((path) => probe(path, 'live', () => models.isLive)),
    ...['/readyz', '/v2/health/ready'].map((path) => probe(path, 'ready', isReady)),
  ];
}

/** Routes that describe the server and its models. */
function factRoutes({ models, metrics, isDraining }: AppOptions): readonly DescribedRoute[] {
  return [
    {
      method: 'GET',
      path: '/metrics',
      docs: {
        summary: 'Returns metrics as Prometheus text, or as OpenMetrics if Accept prefers it.',
        otherTypes: ['text/plain', 'application/openmetrics-text'],
      },
      async handle({ headers: { accept } }) {
        const text = await metrics.text();
        const [type, body] = prefersOpenMetrics(accept)
          ? [OPEN_METRICS_TYPE, toOpenMetrics(text)]
          : [metrics.contentType, text];
        return { status: 200, headers: { 'content-type': type, vary: 'accept' }, body };
      },
    },
    {
      method: 'GET',
      path: '/v2',
      docs: { summary: 'Describes the server.', response: 'ServerMetadata' },
      handle: () => jsonReply(serverMetadata()),
    },
    ...modelRoutes(
      '/v2/models/:model',
      models,
      ['Describes the columns and outputs of a model.', 'ModelMetadata'],
      modelMetadata,
    ),
    ...['/v2/models/:model/ready', '/v2/models/:model/versions/:version/ready'].map((path): DescribedRoute => ({
      method: 'GET',
      path,
      docs: { summary: 'Returns whether a model can predict.', response: 'ModelReady', statuses: [200, 503] },
      handle({ params }) {
        const { facts, isReady } = models.pool(params['model'], params['version']);
        const ready = isReady && !isDraining();
        return probeReply(ready, 'ready', { name: facts.name });
      },
    })),
  ];
}

/** Routes of Triton's extensions of the protocol. */
function tritonRoutes({ models, metrics, isDraining }: AppOptions): readonly DescribedRoute[] {
  const getStatistics = (facts: ModelFacts): object => modelStatistics(facts, metrics.getStatistics(facts.name));
  const pools = () => models.names.map((name) => models.pool(name));
  return [
    {
      method: 'GET',
      path: '/v2/models/stats',
      docs: { summary: 'Returns statistics of all models.', response: 'Statistics' },
      handle: () => jsonReply({ model_stats: pools().map(({ facts }) => getStatistics(facts)) }),
    },
    ...modelRoutes('/v2/models/:model/stats', models, ['Returns statistics of a model.', 'Statistics'], (facts) => ({
      model_stats: [getStatistics(facts)],
    })),
    ...modelRoutes(
      '/v2/models/:model/config',
      models,
      ['Returns the configuration of a model.', 'ModelConfig'],
      modelConfig,
    ),
    {
      method: 'POST',
      path: '/v2/repository/index',
      docs: { summary: 'Lists all models.', response: 'RepositoryIndex' },
      handle: () => jsonReply(pools().map(({ facts, isReady }) => indexEntry(facts, isReady && !isDraining()))),
    },
  ];
}

/** Builds a route that describes a model, with and without a version in the path. */
function modelRoutes(
  path: string,
  models: AppOptions['models'],
  [summary, response]: readonly [summary: string, response: BodyName],
  handle: (facts: ModelFacts) => object,
): readonly DescribedRoute[] {
  return [path, path.replace(':model', ':model/versions/:version')].map((each) => ({
    method: 'GET',
    path: each,
    docs: { summary, response },
    handle: ({ params }) => jsonReply(handle(models.pool(params['model'], params['version']).facts)),
  }));
}

function predictRoutes({ models, canary, metrics, limits, onBug }: AppOptions): readonly DescribedRoute[] {
  const { unpack } = createUnpacker(limits.bytes);
  const requestId = canary && { [REQUEST_ID]: 'Id of the request, by which labels are joined; default: a random one.' };
  const post = (path: string, form: Form): DescribedRoute => ({
    method: 'POST',
    path,
    docs: { ...PREDICT_DOCS[form], headers: { ...PREDICT_DOCS[form].headers, ...requestId } },
    async handle(request) {
      const startMs = monotonicMs();
      const { headers, params } = request;
      const present = models.pool(params['model'], params['version']);
      let assigned: Pick<Assignment, 'pool' | 'id' | 'finish'> = { pool: present };
      const ask = async (): Promise<Answered> => {
        const kind = { ...parseBodyKind(form, request), version: params['version'] };
        const body = await unpack(await request.body(), headers['content-encoding']);
        if (canary === undefined) return present.ask(body, kind);
        const found = canary.assign(present, body, kind, headers);
        assigned = found;
        return found.pool.ask(body, found.kind);
      };
      const answered = await ask().catch((error: unknown) => {
        if (error instanceof Refusal) return refusedAnswer(error);
        throw error;
      });
      if (answered.bug !== undefined) onBug(answered.bug);
      metrics.countRequest(assigned.pool.facts.name, answered.status, (monotonicMs() - startMs) / 1000);
      assigned.finish?.(answered);
      return toReply(answered, assigned.id);
    },
  });
  return [
    post('/predict', 'rows'),
    post('/models/:model/predict', 'rows'),
    post('/v2/models/:model/infer', 'tensors'),
    post('/v2/models/:model/versions/:version/infer', 'tensors'),
  ];
}

/** Routes that add events to the counters of a model. */
function eventRoutes({ models, canary, limits }: AppOptions): readonly DescribedRoute[] {
  const { unpack } = createUnpacker(limits.bytes);
  return ['/events', '/models/:model/events'].map((path) => ({
    method: 'POST',
    path,
    docs: {
      summary: 'Adds events to the counters of a model.',
      query: EVENTS_QUERY,
      body: 'EventsRequest',
      response: 'EventsResponse',
      errors: [404],
    },
    async handle({ params, query, headers, body }) {
      checkQuery(query, EVENTS_QUERY);
      const of = query
        .get('of')
        ?.split(',')
        .filter((label) => label !== '');
      const bytes = await unpack(await body(), headers['content-encoding']);
      // Without a pause until the events are added, so that no reload replaces the counters.
      const pool = models.pool(params['model']);
      const { facts, counters } = pool;
      if (counters === undefined) throw noCounters(facts.name);
      const rows = readRows(bytes, limits);
      counters.add(rowsOfObjects(rows), of);
      canary?.addEvents(pool, rows, of);
      const { name, version } = facts;
      return jsonReply({ model: name, version, events: rows.length, latest: counters.latest });
    },
  }));
}

/** Parses the query and headers that describe a body. */
function parseBodyKind(form: Form, { headers, query }: RoutedRequest): BodyKind {
  const jsonBytes = headers[JSON_BYTES];
  checkQuery(query, PREDICT_DOCS[form].query);
  const read = (key: keyof typeof ANY_QUERY): string => {
    const values = query.getAll(key);
    const [value = 'error'] = values;
    const expected = ANY_QUERY[key].values;
    if (values.length > 1 || !expected.includes(value))
      throw refusal(400, {
        where: `?${key}`,
        message: `expected ${expected.join(' or ')}, found ${quoted(values.join())}`,
      });
    return value;
  };
  if (jsonBytes !== undefined && (form === 'rows' || !/^\d{1,15}$/.test(String(jsonBytes))))
    throw refusal(400, {
      where: JSON_BYTES,
      message: form === 'rows' ? 'belongs to POST /v2/models/NAME/infer' : 'expected a number of bytes',
    });
  return {
    form,
    onBadRow: read('onBadRow') as BodyKind['onBadRow'],
    onMissing: read('onMissing') as BodyKind['onMissing'],
    jsonBytes: jsonBytes === undefined ? undefined : Number(jsonBytes),
  };
}

/** @throws Refusal (400) for an unknown query parameter */
function checkQuery(query: URLSearchParams, options: Readonly<Record<string, QueryOption>>): void {
  const names = Object.keys(options);
  const key = [...query.keys()].find((each) => !names.includes(each));
  if (key === undefined) return;
  const fix = didYouMean(key, names);
  throw refusal(400, {
    where: `?${key}`,
    message: `unknown; expected ${names.map((name) => `?${name}`).join(' or ')}`,
    ...(fix !== undefined && { fix }),
  });
}

function toReply({ status, body, jsonBytes }: Answered, id?: string): HttpReply {
  return {
    status,
    headers: {
      'content-type': jsonBytes === undefined ? JSON_TYPE : OCTETS,
      ...(jsonBytes !== undefined && { [JSON_BYTES]: String(jsonBytes) }),
      ...(id !== undefined && { [REQUEST_ID]: id }),
      ...(status === 503 && { 'retry-after': '1' }),
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    },
    body,
  };
}

const jsonReply = (content: object, status = 200): HttpReply => ({
  status,
  headers: { 'content-type': JSON_TYPE },
  body: JSON.stringify(content),
});
const probeReply = (is: boolean, key: string, rest: object = {}): HttpReply =>
  jsonReply({ ...rest, [key]: is }, is ? 200 : 503);
