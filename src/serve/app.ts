import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { monotonicMs } from '../clock.js';
import { tooLarge } from './body.js';
import type { Answered, BodyKind, BodyLimits, Form, ModelFacts } from './messages.js';
import { modelMetadata, serverMetadata } from './metadata.js';
import type { ServeMetrics } from './metrics.js';
import { asRefusal, refusal, refusalBody, type Refusal } from './refusal.js';
import type { ServedModels } from './served-models.js';
import { holdsToken } from './token.js';

/** What the routes need. */
export interface AppOptions {
  readonly models: ServedModels;
  readonly metrics: ServeMetrics;
  readonly limits: BodyLimits;
  readonly timeoutMs: number;
  /** What requests have to bring; undefined lets everyone ask. */
  readonly token: string | undefined;
  /** Whether the server is about to end. */
  isDraining(): boolean;
  /** Told of bugs of ours. */
  onBug(text: string): void;
}

/** Where a model's name and version stand in a URL. */
interface ModelPath {
  readonly model?: string;
  readonly version?: string;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const OCTETS = 'application/octet-stream';
/** The header of the binary extension. */
const JSON_BYTES = 'inference-header-content-length';
/** What probes ask, and tells nothing else. */
const OPEN_ROUTES = new Set(['/healthz', '/readyz', '/v2/health/live', '/v2/health/ready']);
/** Paths whose method is POST, of whatever model. */
const POSTED = /^(\/models\/[^/]+)?\/predict$|^\/v2\/models\/[^/]+(\/versions\/[^/]+)?\/infer$/;
const ON_BAD_ROW = ['error', 'skip'];

/** The routes: predictions by JSON and by the Open Inference Protocol, probes and metrics. */
export function createApp(options: AppOptions): FastifyInstance {
  const { models, metrics, limits, timeoutMs, token, isDraining, onBug } = options;
  const app = fastify({
    bodyLimit: limits.bytes,
    requestTimeout: timeoutMs,
    // Node takes the shorter of the two for the time of the headers, whichever it is.
    http: { connectionsCheckingInterval: Math.min(1000, timeoutMs), headersTimeout: timeoutMs, requestTimeout: timeoutMs },
    // Who is connected already is answered, and then told to go.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true },
    frameworkErrors: (error, _, reply) => void refuse(reply as unknown as FastifyReply, refusal(400, { where: 'url', message: error.message })),
    clientErrorHandler: answerBroken,
  });
  // Whatever it is called: curl calls it a form.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));

  const isAllowed = token === undefined ? () => true : holdsToken(token);
  app.addHook('onRequest', async (request, reply) => {
    if (OPEN_ROUTES.has(request.routeOptions.url ?? '') || isAllowed(request.headers.authorization)) return;
    reply.header('www-authenticate', 'Bearer');
    throw refusal(401, { where: 'authorization', message: 'expected the token that the server was started with', fix: 'send the header: Authorization: Bearer TOKEN' });
  });
  app.addHook('onSend', (_, reply, payload, done) => {
    if (isDraining()) reply.header('connection', 'close');
    done(null, payload);
  });
  app.setErrorHandler((error: Error, _, reply) => {
    const refused = asRefusal(error) ?? asClientError(error, limits);
    if (refused !== undefined) return refuse(reply, refused);
    onBug(error.stack ?? error.message);
    return refuse(reply, refusal(500, { message: 'this is a bug in mtl; the server has told more of it' }));
  });
  app.setNotFoundHandler((request, reply) => refuse(reply, notFound(app, request)));

  const probe = (isWell: () => boolean, body: (isWell: boolean) => string) => (_: FastifyRequest, reply: FastifyReply) => {
    const is = isWell();
    return reply.code(is ? 200 : 503).header('content-type', JSON_TYPE).send(body(is));
  };
  const isReady = (): boolean => models.isReady && !isDraining();
  app.get('/healthz', probe(() => true, (live) => JSON.stringify({ live })));
  app.get('/readyz', probe(isReady, (ready) => JSON.stringify({ ready })));
  app.get('/v2/health/live', probe(() => true, (live) => JSON.stringify({ live })));
  app.get('/v2/health/ready', probe(isReady, (ready) => JSON.stringify({ ready })));
  app.get('/metrics', async (_, reply) => reply.header('content-type', metrics.contentType).send(await metrics.text()));
  app.get('/v2', () => serverMetadata());

  const infer = (form: Form) => async (request: FastifyRequest<{ Params: ModelPath; Querystring: Readonly<Record<string, unknown>> }>, reply: FastifyReply): Promise<FastifyReply> => {
    const startMs = monotonicMs();
    const { model, version } = request.params;
    const pool = models.pool(model, version);
    const answered = await pool.ask((request.body as Buffer | undefined) ?? Buffer.alloc(0), kindOf(form, request));
    if (answered.bug !== undefined) onBug(answered.bug);
    metrics.countRequest(pool.facts.name, answered.status, (monotonicMs() - startMs) / 1000);
    return send(reply, answered);
  };
  app.post('/predict', infer('rows'));
  app.post('/models/:model/predict', infer('rows'));
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    const factsOf = ({ params }: FastifyRequest<{ Params: ModelPath }>): ModelFacts => models.pool(params.model, params.version).facts;
    app.get<{ Params: ModelPath }>(path, (request) => modelMetadata(factsOf(request)));
    app.get<{ Params: ModelPath }>(`${path}/ready`, (request, reply) => {
      const { name } = factsOf(request);
      return probe(() => models.pool(name).isReady && !isDraining(), (ready) => JSON.stringify({ name, ready }))(request, reply);
    });
    app.post(`${path}/infer`, infer('tensors'));
  }
  return app;
}

/** What a request says of its body. */
function kindOf(form: Form, { headers, query }: FastifyRequest<{ Querystring: Readonly<Record<string, unknown>> }>): BodyKind {
  const encoding = headers['content-encoding'];
  const jsonBytes = headers[JSON_BYTES];
  const { onBadRow = 'error', ...unknown } = query;
  const [key] = Object.keys(unknown);
  if (key !== undefined || (form === 'tensors' && onBadRow !== 'error')) throw refusal(400, { where: `?${key ?? 'onBadRow'}`, message: form === 'rows' ? 'unknown; there is ?onBadRow=skip' : 'unknown; there is nothing to ask for here' });
  if (!ON_BAD_ROW.includes(onBadRow as string)) throw refusal(400, { where: '?onBadRow', message: `expected ${ON_BAD_ROW.join(' or ')}` });
  if (jsonBytes !== undefined && (form === 'rows' || !/^\d{1,15}$/.test(String(jsonBytes)))) throw refusal(400, { where: JSON_BYTES, message: form === 'rows' ? 'belongs to POST /v2/models/NAME/infer' : 'expected a number of bytes' });
  return { form, onBadRow: onBadRow as BodyKind['onBadRow'], jsonBytes: jsonBytes === undefined ? undefined : Number(jsonBytes), encoding };
}

function send(reply: FastifyReply, { status, body, jsonBytes }: Answered): FastifyReply {
  reply.code(status).header('content-type', jsonBytes === undefined ? JSON_TYPE : OCTETS);
  if (jsonBytes !== undefined) reply.header(JSON_BYTES, jsonBytes);
  if (status === 503) reply.header('retry-after', 1);
  return reply.send(typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength));
}

function refuse(reply: FastifyReply, refused: Refusal): FastifyReply {
  return send(reply, { status: refused.status, body: refusalBody(refused), rows: 0 });
}

/** What Fastify refuses by itself. */
function asClientError(error: Error, limits: BodyLimits): Refusal | undefined {
  const { code, statusCode = 500 } = error as { code?: string; statusCode?: number };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return tooLarge(limits.bytes);
  return statusCode < 500 ? refusal(statusCode, { message: error.message }) : undefined;
}

function notFound(app: FastifyInstance, { method, url }: FastifyRequest): Refusal {
  const [path = ''] = url.split('?');
  const other = POSTED.test(path) ? 'POST' : app.hasRoute({ method: 'GET', url: path }) ? 'GET' : method;
  if (other !== method) return refusal(405, { where: path, message: `expected ${other}, found ${method}` });
  return refusal(404, { where: path, message: 'there is nothing here', fix: 'POST /predict with {"rows": […]}, or ask GET /v2' });
}

/** Answers what is no HTTP, or did not come in time. */
function answerBroken(error: NodeJS.ErrnoException, socket: NodeJS.WritableStream & { readonly writable: boolean; destroy(): void }): void {
  const [status, text] = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? ['408 Request Timeout', 'the request did not come in time; send it faster, or start mtl serve with a longer --timeout'] : error.code === 'HPE_HEADER_OVERFLOW' ? ['431 Request Header Fields Too Large', 'the headers are too long'] : ['400 Bad Request', 'expected HTTP/1.1'];
  const body = refusalBody({ message: text, problems: [{ message: text }] });
  if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
  socket.write(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: ${JSON_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  socket.destroy();
}
