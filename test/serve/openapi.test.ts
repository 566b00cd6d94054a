import { Validator } from '@seriousme/openapi-schema-validator';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBodyCheck, expectDescribed, readDocument, type OpenApiDocument } from '../support/openapi.js';
import { servedWorld, serverOfTest, startServer } from '../support/served.js';

// The OpenAPI document, against a validator of its format, and against requests and responses of real servers.

const folder = mkdtempSync(join(tmpdir(), 'mtl-openapi-'));
const COLUMNS = ['101', '121', '205', '206', 'D508', '109_14'];
const ROUTES = [
  'GET /healthz',
  'GET /metrics',
  'GET /openapi.json',
  'GET /readyz',
  'GET /v2',
  'GET /v2/health/live',
  'GET /v2/health/ready',
  'GET /v2/models/stats',
  'GET /v2/models/{model}',
  'GET /v2/models/{model}/config',
  'GET /v2/models/{model}/ready',
  'GET /v2/models/{model}/stats',
  'GET /v2/models/{model}/versions/{version}',
  'GET /v2/models/{model}/versions/{version}/config',
  'GET /v2/models/{model}/versions/{version}/ready',
  'GET /v2/models/{model}/versions/{version}/stats',
  'POST /events',
  'POST /models/{model}/events',
  'POST /models/{model}/predict',
  'POST /predict',
  'POST /v2/models/{model}/infer',
  'POST /v2/models/{model}/versions/{version}/infer',
  'POST /v2/repository/index',
];
const NAMES = { model: 'small', version: '10' };
let world: Awaited<ReturnType<typeof servedWorld>>;
let server: Awaited<ReturnType<typeof startServer>>;
let document: OpenApiDocument;

beforeAll(async () => {
  world = await servedWorld(folder);
  server = await startServer({ paths: [world.run], limits: { bytes: 20_000, rows: 50 } });
  document = await readDocument(server);
}, 120_000);
afterAll(async () => {
  await server.drain();
  rmSync(folder, { recursive: true, force: true });
});

/** Expects a document that a validator of OpenAPI accepts; returns its routes. */
async function validRoutes(checked: OpenApiDocument): Promise<string[]> {
  const validator = new Validator();
  expect(await validator.validate(checked as unknown as Record<string, unknown>)).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  const ids = Object.values(checked.paths).flatMap((path) => Object.values(path).map((each) => each.operationId));
  expect(new Set(ids).size).toBe(ids.length);
  return Object.entries(checked.paths)
    .flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`))
    .sort();
}
/** Returns the schema of the request body of a path. */
const bodyOf = ({ paths }: OpenApiDocument, path: string): string =>
  paths[path]!['post']!.requestBody!.content['application/json']!.schema!.$ref;
const tensors = (): { readonly name: string }[] =>
  COLUMNS.map((name) => ({
    name,
    shape: [2],
    datatype: 'BYTES',
    data: world.rows.slice(0, 2).map((row) => row[name]),
  }));
const pick = (row: object, names: readonly string[]): object =>
  Object.fromEntries(Object.entries(row).filter(([name]) => names.includes(name)));

describe('GET /openapi.json', () => {
  it('is a valid document with exactly the routes of the server', async () => {
    expect(await validRoutes(document)).toEqual(ROUTES);
    for (const route of ROUTES) {
      const [method = '', path = ''] = route.split(' ');
      const url = path.replace('{model}', 'small').replace('{version}', '10');
      const response = await server.app.inject({ method: method as 'GET', url });
      expect([200, 400], `${route}: ${response.payload}`).toContain(response.statusCode);
      expect((await server.app.inject({ method: 'PUT', url })).statusCode).toBe(405);
    }
  });

  it('requires the columns of the model, with values of their types', () => {
    const check = createBodyCheck(document);
    const request = bodyOf(document, '/predict');
    expect(bodyOf(document, '/models/{model}/predict')).toBe(request);
    const { required } = document.components.schemas['small.Row'] as { readonly required: readonly string[] };
    expect(required.toSorted()).toEqual(COLUMNS.toSorted());
    const row = { ...world.rows[0]!, 101: 413, D508: 0.5, '109_14': ['3', { id: 4, weight: 0.5 }, [5, 2]] };
    expect(check(request, { rows: [row, ...world.rows] })).toEqual([]);
    expect(check(request, { rows: [{ ...row, 101: null, other: true }] })).toEqual([]);
    for (const wrong of [{ 101: [1] }, { 101: 0.5 }, { D508: [1] }, { '109_14': [{ item: 3 }] }, { '206': undefined }])
      expect(check(request, JSON.parse(JSON.stringify({ rows: [{ ...row, ...wrong }] })))).not.toEqual([]);
    expect(check(request, { user: pick(row, ['101']), candidates: [pick(row, ['205'])] })).toEqual([]);
    expect(check(request, { row: [] })).not.toEqual([]);
    const infer = bodyOf(document, '/v2/models/{model}/infer');
    expect(check(infer, { id: 'a', inputs: tensors(), outputs: [{ name: 'ctcvr' }] })).toEqual([]);
    expect(check(infer, { inputs: tensors(), outputs: [{ name: 'sales' }] })).not.toEqual([]);
    expect(check(infer, { inputs: [{ ...tensors()[0], name: 'no column' }] })).not.toEqual([]);
  });
  it('describes what the server answers', async () => {
    const rows = world.rows.slice(0, 3);
    const nan = { ...rows[0]!, D508: 3e38 };
    const user = pick(rows[0]!, ['101', '121']);
    const candidates = rows.map((row) => pick(row, ['205', '206', 'D508', '109_14']));
    const answered: [status: number, request: Parameters<typeof expectDescribed>[2]][] = [
      [200, { path: '/predict', payload: { rows } }],
      [200, { path: '/predict', payload: { rows: [nan, ...rows] } }],
      [200, { path: '/predict', payload: { user, candidates } }],
      [200, { path: '/models/{model}/predict', query: '?onBadRow=skip', payload: { rows: [{}, ...rows] } }],
      [200, { path: '/predict', query: '?onMissing=oov', payload: { rows: [{ ...rows[0], '109_14': undefined }] } }],
      [400, { path: '/predict', payload: { rows: [{ ...rows[0], 101: 'x' }, {}] } }],
      [400, { path: '/predict', query: '?onBadRows=skip', payload: { rows } }],
      [413, { path: '/predict', payload: { rows: world.rows.slice(0, 51) } }],
      [413, { path: '/events', payload: `{"rows": [${' '.repeat(20_000)}]}` }],
      [415, { path: '/predict', payload: { rows }, headers: { 'content-encoding': 'br' } }],
      [400, { path: '/events', payload: { rows: [] } }],
      [200, { path: '/v2/models/{model}/infer', payload: { id: 'a', inputs: tensors() } }],
      [
        200,
        {
          path: '/v2/models/{model}/infer',
          payload: {
            inputs: tensors().map((each) =>
              each.name === 'D508' ? { ...each, datatype: 'FP64', data: [3e38, 1] } : each,
            ),
          },
        },
      ],
      [400, { path: '/v2/models/{model}/infer', payload: { inputs: [] } }],
      [200, { path: '/v2/repository/index' }],
      [200, { method: 'GET', path: '/metrics', headers: { accept: 'application/openmetrics-text' } }],
    ];
    for (const [status, request] of answered)
      expect((await expectDescribed(server, document, request, NAMES)).statusCode, JSON.stringify(request)).toBe(
        status,
      );
    const binary = await expectDescribed(
      server,
      document,
      {
        path: '/v2/models/{model}/versions/{version}/infer',
        payload: { parameters: { binary_data_output: true }, inputs: tensors() },
      },
      NAMES,
    );
    const json = binary.rawPayload.subarray(0, Number(binary.headers['inference-header-content-length'])).toString();
    expect(createBodyCheck(document)('#/components/schemas/InferResponse', JSON.parse(json))).toEqual([]);
    for (const path of ROUTES.filter((route) => route.startsWith('GET ')).map((route) => route.slice('GET '.length))) {
      expect((await expectDescribed(server, document, { method: 'GET', path }, NAMES)).statusCode).toBe(200);
      if (!path.includes('{')) continue;
      const other = { model: 'large', version: '11' };
      expect((await expectDescribed(server, document, { method: 'GET', path }, other)).statusCode).toBe(404);
    }
  });

  it('describes a server that drains', async () => {
    const own = await startServer({ paths: [world.run] });
    const described = await readDocument(own);
    await own.drain();
    for (const path of ['/readyz', '/v2/health/ready', '/v2/models/{model}/ready'])
      expect((await expectDescribed(own, described, { method: 'GET', path }, NAMES)).statusCode).toBe(503);
    const payload = { rows: world.rows.slice(0, 1) };
    expect((await expectDescribed(own, described, { path: '/predict', payload })).statusCode).toBe(503);
  });

  it('has the models of the server, and its token', async () => {
    const own = await serverOfTest({ paths: [world.run, world.run], names: ['first', 'second'], token: 'secret' });
    expect((await own.app.inject('/openapi.json')).statusCode).toBe(401);
    const headers = { authorization: 'Bearer secret' };
    const described = await readDocument(own, headers);
    expect(await validRoutes(described)).toEqual(ROUTES);
    const [model] = described.paths['/models/{model}/predict']!['post']!.parameters;
    expect(model).toMatchObject({ in: 'path', schema: { enum: ['first', 'second'] } });
    const payload = { rows: world.rows.slice(0, 1) };
    const predict = { path: '/models/{model}/predict', payload };
    for (const name of ['first', 'second'])
      expect(
        (await expectDescribed(own, described, { ...predict, headers }, { model: name })).json<{ model: string }>()
          .model,
      ).toBe(name);
    expect((await expectDescribed(own, described, { path: '/predict', payload, headers })).statusCode).toBe(404);
    expect(described.security).toEqual([{ token: [] }]);
    for (const [path, { get, post }] of Object.entries(described.paths)) {
      const isOpen = (get ?? post)!.security?.length === 0;
      const method = get === undefined ? 'POST' : 'GET';
      const { statusCode } = await expectDescribed(own, described, { method, path }, { model: 'first', version: '10' });
      expect([path, statusCode]).toEqual([path, isOpen ? 200 : 401]);
    }
  });

  it('has the routes of a canary', async () => {
    cpSync(world.run, join(folder, 'twin'), { recursive: true, verbatimSymlinks: true });
    const canary = { kind: 'shadow', path: join(folder, 'twin'), share: 1, keepMs: 60_000 } as const;
    const own = await serverOfTest({ paths: [world.run], canary });
    const described = await readDocument(own);
    expect(await validRoutes(described)).toEqual([...ROUTES, 'GET /canary', 'POST /outcomes'].sort());
    const headers = { 'x-request-id': 'r1' };
    const payload = { rows: world.rows.slice(0, 2) };
    const response = await expectDescribed(own, described, { path: '/predict', payload, headers });
    const { parameters, responses } = described.paths['/predict']!['post']!;
    expect(parameters.map(({ name }) => name)).toContain('x-request-id');
    expect(response.headers).toMatchObject(headers);
    expect(Object.keys(responses['200']!.headers!)).toEqual(['x-request-id']);
    const outcomes = [
      { id: 'r1', labels: [{ click: 1, purchase: 0 }, { click: 0 }] },
      { id: 'none', labels: [] },
    ];
    expect(createBodyCheck(described)(bodyOf(described, '/outcomes'), { outcomes })).toEqual([]);
    const joined = await expectDescribed(own, described, { path: '/outcomes', payload: { outcomes } });
    expect([joined.statusCode, joined.json()]).toMatchObject([200, { unknown: ['none'] }]);
    const refused = await expectDescribed(own, described, { path: '/outcomes', payload: { outcomes: [1] } });
    expect(refused.statusCode).toBe(400);
    const report = await expectDescribed(own, described, { method: 'GET', path: '/canary' });
    expect([report.statusCode, report.json()]).toMatchObject([200, { kind: 'shadow' }]);
  });
});
