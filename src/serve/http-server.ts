import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { refuseSize } from './body.js';
import { refusal, refusalBody } from './refusal.js';

/** A request that matched a route. */
export interface RoutedRequest {
  readonly headers: IncomingHttpHeaders;
  /** Decoded values of the `:name` segments of the route. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /**
   * Reads the body.
   * @throws Refusal (413) if it has more than `maxBytes` bytes
   */
  body(): Promise<Uint8Array>;
}

/** A response; the length of a text or of bytes is added to the headers. */
export interface HttpReply {
  /** Status code of the HTTP response. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Parts are sent as they are yielded, until the client closes the connection. */
  readonly body: string | Uint8Array | AsyncGenerator<string>;
}

/** A method, a path whose `:name` segments match any text, and the handler. GET routes also answer HEAD. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Whether it needs no token. */
  readonly isOpen?: boolean;
  handle(request: RoutedRequest): HttpReply | Promise<HttpReply>;
}

/** Routes and limits of a server. */
export interface HttpOptions {
  readonly routes: readonly Route[];
  /** Maximum size of a request body in bytes. */
  readonly maxBytes: number;
  /** Maximum time in milliseconds until a request has arrived. */
  readonly timeoutMs: number;
  /** Rejects a request before its body is read, by throwing a Refusal. */
  authorize(route: Route | undefined, headers: IncomingHttpHeaders): void;
  /** Whether the server is shutting down; connections close after their response. */
  isDraining(): boolean;
  /** What to request instead of an unknown path. */
  readonly pathFix: string;
  /** Converts anything a handler throws into a response. */
  onError(error: unknown): HttpReply;
}

/** Without a charset, which JSON does not define: KServe's SDK parses error messages only with this exact type. */
export const JSON_TYPE = 'application/json';
/** Longer than the 60 s after which common load balancers close an idle connection. */
const KEEP_ALIVE_MS = 72_000;

/** Creates an HTTP server that is not listening yet. */
export function createHttpServer(options: HttpOptions): Server {
  const { timeoutMs } = options;
  const server = createServer(
    // Node applies the shorter of the two timeouts to the headers.
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(1000, timeoutMs),
      headersTimeout: timeoutMs,
      requestTimeout: timeoutMs,
    },
    (request, response) => void answer(options, request, response),
  );
  return server.on('clientError', answerBroken);
}

/**
 * Starts to listen.
 * @returns the URL
 * @throws the system's error if the host or port cannot be used
 */
export async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { address, family, port: actual } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`;
}

async function answer(options: HttpOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let reply: HttpReply;
  try {
    reply = await handle(options, request);
  } catch (error) {
    if (request.destroyed && !request.complete) return;
    reply = options.onError(error);
  }
  // Unread bytes of a body would be parsed as the next request.
  if (options.isDraining() || reply.status === 413) response.setHeader('connection', 'close');
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body;
  if ('length' in body) {
    response.writeHead(reply.status, { ...reply.headers, 'content-length': body.length }).end(body);
    return;
  }
  response.writeHead(reply.status, reply.headers);
  if (request.method === 'HEAD') response.end();
  // A client that closes the connection ends the stream.
  else
    await pipeline(body, response).catch((error: unknown) => {
      if (!isClosedEarly(error)) options.onError(error);
    });
}

function isClosedEarly(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}

async function handle(
  { routes, maxBytes, authorize, pathFix }: HttpOptions,
  request: IncomingMessage,
): Promise<HttpReply> {
  const { method = '', url = '', headers } = request;
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  const segments = splitPath(path);
  const found = routes.flatMap((route) => {
    const params = matchRoute(route, segments);
    return params === undefined ? [] : [{ route, params }];
  });
  const matched = found.find(({ route }) => route.method === (method === 'HEAD' ? 'GET' : method));
  authorize(matched?.route, headers);
  if (matched === undefined)
    throw found.length > 0
      ? refuseMethod(path, method, found[0]!.route)
      : refusal(404, { where: path, message: 'unknown path', fix: pathFix });
  return matched.route.handle({
    headers,
    params: matched.params,
    query: new URLSearchParams(end < 0 ? '' : url.slice(end)),
    body: () => readBody(request, maxBytes),
  });
}

/** Splits a path into decoded segments; ignores a trailing slash. */
function splitPath(path: string): readonly string[] {
  try {
    return path
      .replace(/(?<=.)\/$/, '')
      .split('/')
      .map(decodeURIComponent);
  } catch {
    throw refusal(400, {
      where: 'url',
      message: 'expected percent-encoded UTF-8; encode special characters as in %20',
    });
  }
}

/** Matches a route and returns its `:name` values, or undefined if the path differs. */
function matchRoute({ path }: Route, segments: readonly string[]): Readonly<Record<string, string>> | undefined {
  const parts = path.split('/');
  if (parts.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    if (part.startsWith(':') && segments[i] !== '') params[part.slice(1)] = segments[i]!;
    else if (part !== segments[i]) return undefined;
  }
  return params;
}

const refuseMethod = (where: string, found: string, { method }: Route) =>
  refusal(405, { where, message: `expected ${method}, found ${found}` });

function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length']) > maxBytes) return reject(refuseSize(maxBytes));
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) return void chunks.push(chunk);
      chunks.length = 0;
      reject(refuseSize(maxBytes));
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('close', () => reject(new Error('the connection closed before the body arrived')));
  });
}

/** Answers malformed HTTP, and requests that did not arrive in time. */
function answerBroken(
  error: NodeJS.ErrnoException,
  socket: NodeJS.WritableStream & { readonly writable: boolean; destroy(): void },
): void {
  const [status, message] = CLIENT_ERRORS.get(error.code ?? '') ?? ['400 Bad Request', 'expected HTTP/1.1'];
  const body = refusalBody({ message, problems: [{ message }] });
  if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
  socket.write(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: ${JSON_TYPE}\r\ncontent-length: ` +
      `${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  socket.destroy();
}

/** Status line and message by Node's error code. */
const CLIENT_ERRORS: ReadonlyMap<string, readonly [status: string, message: string]> = new Map([
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    ['408 Request Timeout', 'the request did not arrive in time; send it faster, or raise --timeout of mtl serve'],
  ],
  ['HPE_HEADER_OVERFLOW', ['431 Request Header Fields Too Large', 'request headers too large']],
]);
