import { once } from 'node:events';
import { Agent, request, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createHttpServer, listen, type HttpOptions, type HttpReply } from '../../src/serve/http-server.js';
import { asRefusal, refusal } from '../../src/serve/refusal.js';

const text = (body: string, status = 200): HttpReply => ({ status, headers: { 'content-type': 'text/plain' }, body });
const OPTIONS: HttpOptions = {
  routes: [
    { method: 'GET', path: '/open', isOpen: true, handle: () => text('open') },
    {
      method: 'GET',
      path: '/things/:name',
      handle: ({ params, query }) => text(`${params['name']} ${query.getAll('q').join()}`),
    },
    { method: 'GET', path: '/things/all', handle: () => text('all') },
    { method: 'POST', path: '/echo', handle: async ({ body }) => text(Buffer.from(await body()).toString()) },
  ],
  maxBytes: 10,
  timeoutMs: 5000,
  authorize(route, { authorization }) {
    if (route?.isOpen !== true && authorization === 'wrong') throw refusal(401, { message: 'wrong' });
  },
  isDraining: () => false,
  pathFix: 'open /things',
  onError: (error) => text(error instanceof Error ? error.message : '', asRefusal(error)?.status ?? 500),
};

interface Told {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Local port of the connection. */
  readonly port: number | undefined;
}

/** Starts a server; returns a function that sends requests through one connection. */
async function started(
  options: Partial<HttpOptions> = {},
): Promise<(path: string, about?: RequestOptions, ...chunks: readonly string[]) => Promise<Told>> {
  const server = createHttpServer({ ...OPTIONS, ...options });
  const url = await listen(server, '127.0.0.1', 0);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => {
    agent.destroy();
    server.closeAllConnections();
    server.close();
  });
  return (path, about = {}, ...chunks) =>
    new Promise((resolve, reject) => {
      const asking = request(`${url}${path}`, { agent, ...about }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () =>
          resolve({ status: response.statusCode, headers: response.headers, body, port: asking.socket?.localPort }),
        );
      });
      asking.on('error', reject);
      for (const chunk of chunks) asking.write(chunk);
      asking.end();
    });
}

const POST: RequestOptions = { method: 'POST' };

describe('the HTTP server', () => {
  it('matches paths by segment, decodes parameters and prefers the first route', async () => {
    const ask = await started();
    expect((await ask('/things/a%2Fb%20c?q=1&q=2')).body).toBe('a/b c 1,2');
    expect((await ask('/things/all/')).body).toBe('all ');
    expect((await ask('/open')).headers).toMatchObject({ 'content-type': 'text/plain', 'content-length': '4' });
  });

  it.each([
    ['/things', {}, 404, '/things: unknown path'],
    ['/things/', {}, 404, '/things/: unknown path'],
    ['/things/a/b', {}, 404, '/things/a/b: unknown path'],
    ['/__proto__', {}, 404, '/__proto__: unknown path'],
    ['/echo', {}, 405, '/echo: expected POST, found GET'],
    ['/open', POST, 405, '/open: expected GET, found POST'],
    ['/things/%ff', {}, 400, 'url: expected percent-encoded UTF-8'],
    ['/nothing', { headers: { authorization: 'wrong' } }, 401, 'wrong'],
  ])('rejects %s with %j', async (path, about, status, message) => {
    const ask = await started();
    expect(await ask(path, about)).toMatchObject({ status, body: expect.stringContaining(message) as string });
  });

  it('answers HEAD with the headers of GET and no body', async () => {
    const ask = await started();
    expect(await ask('/open', { method: 'HEAD' })).toMatchObject({
      status: 200,
      headers: { 'content-length': '4' },
      body: '',
    });
  });

  it('rejects a body over the limit, whether or not its length is declared', async () => {
    const ask = await started();
    expect(await ask('/echo', { ...POST, headers: { 'content-length': '10' } }, '12345', '67890')).toMatchObject({
      status: 200,
      body: '1234567890',
    });
    for (const headers of [{ 'content-length': '11' }, {}]) {
      expect(await ask('/echo', { ...POST, headers }, '12345', '678901')).toMatchObject({
        status: 413,
        headers: { connection: 'close' },
      });
    }
  });

  it('keeps the connection after a request whose body it did not read', async () => {
    const ask = await started();
    const refused = await ask('/echo', { ...POST, headers: { authorization: 'wrong' } }, '{"a":1}');
    const next = await ask('/open');
    expect([refused.status, next.status, next.port]).toEqual([401, 200, refused.port]);
  });

  it('closes connections while it drains, and answers errors of a handler', async () => {
    const ask = await started({
      isDraining: () => true,
      routes: [
        {
          method: 'GET',
          path: '/',
          handle() {
            throw new Error('thrown');
          },
        },
      ],
    });
    expect(await ask('/')).toMatchObject({ status: 500, body: 'thrown', headers: { connection: 'close' } });
  });

  it('survives a client that disconnects before its body has arrived', async () => {
    const errors: unknown[] = [];
    const server = createHttpServer({ ...OPTIONS, onError: (error) => (errors.push(error), text('', 500)) });
    const url = await listen(server, '127.0.0.1', 0);
    onTestFinished(() => void server.close());
    const asking = request(`${url}/echo`, { ...POST, headers: { 'content-length': '9' } });
    asking.on('error', () => undefined);
    asking.write('1234');
    const [, response] = (await once(server, 'request')) as [unknown, NodeJS.EventEmitter];
    asking.destroy();
    await once(response, 'close');
    expect((await fetch(`${url}/open`)).status).toBe(200);
    expect(errors).toEqual([]);
  });
});
