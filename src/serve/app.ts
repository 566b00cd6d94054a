import type { Server } from 'node:http';
import { monotonicMs } from '../system/clock.js';
import { rowsOfObjects } from '../data/objects/given-rows.js';
import { didYouMean, quoted, stackOf } from '../core/errors.js';
import { BUG } from './answer-bundle.js';
import { createUnpacker } from './body.js';
import type { Assignment, Canary } from './canary/canary.js';
import { REQUEST_ID } from './canary/request-id.js';
import { listCanaryRoutes } from './canary/routes.js';
import { createHttpServer, JSON_TYPE, type HttpReply, type Route, type RoutedRequest } from './http-server.js';
import type { Answered, BodyKind, BodyLimits, Form, ModelFacts } from './messages.js';
import { indexEntry, modelConfig, modelMetadata, modelStatistics, serverMetadata } from './metadata.js';
import type { ServeMetrics } from './metrics.js';
import { OPEN_METRICS_TYPE, prefersOpenMetrics, toOpenMetrics } from './open-metrics.js';
import { asRefusal, refusal, Refusal, refusedAnswer } from './refusal.js';
import { readRows } from './rows-request.js';
import type { ServedModels } from './served-models.js';
import { createTokenCheck } from './token.js';
import { noCounters } from '../trained-model/load-counters.js';

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
/** Query parameters and their values; the first is the default. */
const ANY_QUERY = { onBadRow: ['error', 'skip'], onMissing: ['error', 'oov'] };
const QUERY: Readonly<Record<Form, Partial<typeof ANY_QUERY>>> = {
  rows: ANY_QUERY,
  tensors: { onMissing: ANY_QUERY.onMissing },
};

/** Creates the server: predictions by JSON and by the Open Inference Protocol, probes and metrics. */
export function createApp(options: AppOptions): Server {
  const { limits, timeoutMs, token, isDraining, onBug } = options;
  const isAllowed = token === undefined ? () => true : createTokenCheck(token);
  return createHttpServer({
    routes: [
      ...probeRoutes(options),
      ...tritonRoutes(options),
      ...factRoutes(options),
      ...predictRoutes(options),
      ...eventRoutes(options),
      ...(options.canary === undefined ? [] : listCanaryRoutes(options.canary, limits)),
    ],
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
      if (refused === undefined) onBug(stackOf(error));
      return toReply(refused === undefined ? BUG : refusedAnswer(refused));
    },
  });
}

/** Routes for liveness and readiness probes. */
function probeRoutes({ models, isDraining }: AppOptions): readonly Route[] {
  const isReady = (): boolean => models.isReady && !isDraining();
  const probe = (path: string, name: string, is: () => boolean): Route => ({
    method: 'GET',
    path,
    isOpen: true,
    handle: () => probeReply(is(), name),
  });
  return [
    ...['/healthz', '/v2/health/live'].map((path) => probe(path, 'live', () => models.isLive)),
    ...['/readyz', '/v2/health/ready'].map((path) => probe(path, 'ready', isReady)),
  ];
}

/** Routes that describe the server and its models. */
function factRoutes({ models, metrics, isDraining }: AppOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/metrics',
      async handle({ headers: { accept } }) {
        const text = await metrics.text();
        const [type, body] = prefersOpenMetrics(accept)
          ? [OPEN_METRICS_TYPE, toOpenMetrics(text)]
          : [metrics.contentType, text];
        return { status: 200, headers: { 'content-type': type, vary: 'accept' }, body };
      },
    },
    { method: 'GET', path: '/v2', handle: () => jsonReply(serverMetadata()) },
    ...modelRoutes('/v2/models/:model', models, modelMetadata),
    ...['/v2/models/:model/ready', '/v2/models/:model/versions/:version/ready'].map((path): Route => ({
      method: 'GET',
      path,
      handle({ params }) {
        const { facts, isReady } = models.pool(params['model'], params['version']);
        const ready = isReady && !isDraining();
        return probeReply(ready, 'ready', { name: facts.name });
      },
    })),
  ];
}

/** Routes of Triton's extensions of the protocol. */
function tritonRoutes({ models, metrics, isDraining }: AppOptions): readonly Route[] {
  const getStatistics = (facts: ModelFacts): object => modelStatistics(facts, metrics.getStatistics(facts.name));
  const pools = () => models.names.map((name) => models.pool(name));
  return [
    {
      method: 'GET',
      path: '/v2/models/stats',
      handle: () => jsonReply({ model_stats: pools().map(({ facts }) => getStatistics(facts)) }),
    },
    ...modelRoutes('/v2/models/:model/stats', models, (facts) => ({ model_stats: [getStatistics(facts)] })),
    ...modelRoutes('/v2/models/:model/config', models, modelConfig),
    {
      method: 'POST',
      path: '/v2/repository/index',
      handle: () => jsonReply(pools().map(({ facts, isReady }) => indexEntry(facts, isReady && !isDraining()))),
    },
  ];
}

/** Builds a route that describes a model, with and without a version in the path. */
function modelRoutes(
  path: string,
  models: AppOptions['models'],
  handle: (facts: ModelFacts) => object,
): readonly Route[] {
  return [path, path.replace(':model', ':model/versions/:version')].map((each) => ({
    method: 'GET',
    path: each,
    handle: ({ params }) => jsonReply(handle(models.pool(params['model'], params['version']).facts)),
  }));
}

function predictRoutes({ models, canary, metrics, limits, onBug }: AppOptions): readonly Route[] {
  const { unpack } = createUnpacker(limits.bytes);
  const post = (path: string, form: Form): Route => ({
    method: 'POST',
    path,
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
function eventRoutes({ models, canary, limits }: AppOptions): readonly Route[] {
  const { unpack } = createUnpacker(limits.bytes);
  return ['/events', '/models/:model/events'].map((path) => ({
    method: 'POST',
    path,
    async handle({ params, query, headers, body }) {
      for (const key of query.keys()) if (key !== 'of') throw unknownOption(key, { of: [] });
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
  const options = QUERY[form];
  for (const key of query.keys()) if (!Object.hasOwn(options, key)) throw unknownOption(key, options);
  const read = (key: keyof typeof ANY_QUERY): string => {
    const values = query.getAll(key);
    const [value = 'error'] = values;
    if (values.length > 1 || !ANY_QUERY[key].includes(value))
      throw refusal(400, {
        where: `?${key}`,
        message: `expected ${ANY_QUERY[key].join(' or ')}, found ${quoted(values.join())}`,
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

function unknownOption(key: string, options: object): Refusal {
  const fix = didYouMean(key, Object.keys(options));
  return refusal(400, {
    where: `?${key}`,
    message: `unknown; expected ${Object.keys(options)
      .map((name) => `?${name}`)
      .join(' or ')}`,
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
