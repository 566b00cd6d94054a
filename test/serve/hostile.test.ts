/** @module-tag long */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { servedWorld, serverOfTest, startServer } from '../support/served.js';

const folder = mkdtempSync(join(tmpdir(), 'mtl-hostile-'));
let world: Awaited<ReturnType<typeof servedWorld>>;
let server: Awaited<ReturnType<typeof startServer>>;

beforeAll(async () => {
  world = await servedWorld(folder);
  server = await startServer({ paths: [world.run], limits: { bytes: 20_000, rows: 20 } });
}, 120_000);
afterAll(async () => {
  await server.drain();
  rmSync(folder, { recursive: true, force: true });
});

/** A valid request in each form. */
const goodRows = (): object => ({ rows: world.rows.slice(0, 2) });
const goodTensors = (): object => ({
  inputs: ['101', '121', '205', '206', 'D508', '109_14'].map((name) => ({
    name,
    shape: [2],
    datatype: 'BYTES',
    data: world.rows.slice(0, 2).map((row) => row[name]),
  })),
});
const PATHS = [
  '/predict',
  '/predict?onBadRow=skip',
  '/models/small/predict',
  '/v2/models/small/infer',
  '/v2/models/small/versions/10/infer',
];
const good = (path: string): object => (path.endsWith('infer') ? goodTensors() : goodRows());

/** Values, including keywords of the protocols. */
const word = fc.constantFrom(
  'rows',
  'inputs',
  'outputs',
  'name',
  'shape',
  'datatype',
  'data',
  'parameters',
  'binary_data_size',
  'content_type',
  '101',
  '109_14',
  'BYTES',
  'FP32',
  'INT64',
  'ctr',
  '__proto__',
  'constructor',
  'toString',
  '',
);
const anyJson = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    word,
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(word, tie('value'), { maxKeys: 5 }),
  ),
})).value;

/** Mutations of a valid body: replace a value, remove or change bytes, or replace all of it. */
const change = fc.oneof(
  fc.record({ kind: fc.constant('value' as const), at: fc.nat(), value: anyJson }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), length: fc.nat(50) }),
  fc.record({ kind: fc.constant('bytes' as const), at: fc.nat(), bytes: fc.uint8Array({ maxLength: 20 }) }),
  fc.record({
    kind: fc.constant('other' as const),
    body: fc.oneof(
      anyJson.map((value) => Buffer.from(JSON.stringify(value))),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    ),
  }),
);
type Change = typeof change extends fc.Arbitrary<infer Value> ? Value : never;

/** Usually empty. */
const seldom = (value: fc.Arbitrary<string>): fc.Arbitrary<string | null> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value });

/** Returns the body with one value replaced. */
function withValue(body: unknown, at: number, value: unknown): unknown {
  const places: [Record<string, unknown>, string][] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, unknown>, key]);
      walk((node as Record<string, unknown>)[key]);
    }
  };
  walk(body);
  const [node, key] = places[at % places.length]!;
  node[key] = value;
  return body;
}

function changed(body: object, how: Change): Buffer {
  if (how.kind === 'other') return how.body;
  if (how.kind === 'value') return Buffer.from(JSON.stringify(withValue(structuredClone(body), how.at, how.value)));
  const bytes = Buffer.from(JSON.stringify(body));
  const at = how.at % bytes.length;
  return how.kind === 'cut'
    ? Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + how.length)])
    : Buffer.concat([bytes.subarray(0, at), how.bytes, bytes.subarray(at)]);
}

describe('a server with malformed requests', () => {
  it('answers every body with predictions or its problems, never with an internal error', async () => {
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...PATHS),
        change,
        seldom(fc.constantFrom('gzip', 'deflate', 'br', 'x')),
        seldom(fc.oneof(fc.nat(300).map(String), word)),
        async (url, how, encoding, jsonBytes) => {
          const headers = {
            ...(encoding !== null && { 'content-encoding': encoding }),
            ...(jsonBytes !== null && { 'inference-header-content-length': jsonBytes }),
          };
          const response = await server.app.inject({ method: 'POST', url, payload: changed(good(url), how), headers });
          statuses.set(response.statusCode, (statuses.get(response.statusCode) ?? 0) + 1);
          expect(response.statusCode).toBeLessThan(500);
          if (response.statusCode === 200)
            expect(response.headers['content-type']).toMatch(/^application\/(json|octet-stream)/);
          else
            expect(response.json()).toMatchObject({
              error: expect.stringMatching(/./) as string,
              problems: expect.any(Array) as unknown[],
            });
        },
      ),
      { numRuns: 1000 },
    );
    expect(server.bugs).toEqual([]);
    // Both kinds of mutations occurred.
    expect(statuses.get(200)).toBeGreaterThan(20);
    expect(statuses.get(400)).toBeGreaterThan(300);
    for (const url of PATHS)
      expect((await server.app.inject({ method: 'POST', url, payload: good(url) })).statusCode).toBe(200);
  });

  it('answers malformed HTTP', async () => {
    expect(await spoken(server.url, 'what?\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 Bad Request\r\n[^]*"error":"expected HTTP\/1\.1"/,
    );
    expect(await spoken(server.url, `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
  });

  it('times out a request without a body', async () => {
    const { url } = await serverOfTest({ paths: [world.run], timeoutMs: 300 });
    expect(await spoken(url, 'POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"rows":')).toMatch(
      /^HTTP\/1\.1 408 Request Timeout\r\n[^]*raise --timeout of mtl serve/,
    );
  });

  it('answers slow requests with 504 and keeps serving', async () => {
    const { app } = await serverOfTest({ paths: [world.run], timeoutMs: 1, limits: { bytes: 1 << 25, rows: 100_000 } });
    const response = await app.inject({
      method: 'POST',
      url: '/predict',
      payload: { rows: Array.from({ length: 50_000 }, () => world.rows[0]!) },
    });
    expect([response.statusCode, response.json<{ error: string }>().error]).toEqual([
      504,
      expect.stringContaining('the request timed out; send fewer rows per request'),
    ]);
    expect((await app.inject('/readyz')).statusCode).toBe(200);
  });
});

/** Sends raw bytes to a server and returns its response. */
function spoken(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => void socket.write(text));
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}
