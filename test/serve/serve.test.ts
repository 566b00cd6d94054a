/** @module-tag long */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, type Model, type Row } from '../../src/index.js';
import { servedWorld, serverOfTest, startServer, type InjectedResponse } from '../support/served.js';

const folder = mkdtempSync(join(tmpdir(), 'mtl-serve-'));
let world: Awaited<ReturnType<typeof servedWorld>>;
let model: Model;
let server: Awaited<ReturnType<typeof startServer>>;

beforeAll(async () => {
  world = await servedWorld(folder);
  model = await loadModel(world.run);
  server = await startServer({ paths: [world.run] });
}, 120_000);
afterAll(async () => {
  await server.drain();
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const post = (
  url: string,
  payload: object | string | Buffer,
  headers: Record<string, string> = {},
): Promise<InjectedResponse> => server.app.inject({ method: 'POST', url, payload, headers });
const predictionsOf = (rows: readonly Row[]): object[] => {
  const predicted = Object.entries(model.predict(rows));
  return rows.map((_, row) => Object.fromEntries(predicted.map(([output, values]) => [output, values[row]!])));
};
/** Formats predictions as the shortest decimals of their floats. */
const asFloats = (predictions: readonly object[]): object[] =>
  predictions.map((each) =>
    Object.fromEntries(Object.entries(each).map(([output, value]) => [output, Math.fround(value as number)])),
  );
const errorOf = (response: InjectedResponse): unknown => [
  response.statusCode,
  response.json<{ error: string }>().error,
];
const says = (text: string): unknown => expect.stringContaining(text);

describe('POST /predict', () => {
  it('predicts rows bitwise identically to the library', async () => {
    const response = await post('/predict', { rows: world.rows });
    expect(response.statusCode).toBe(200);
    const { predictions, ...rest } = response.json<{ predictions: object[] }>();
    expect(rest).toEqual({ model: 'small', version: '10' });
    expect(asFloats(predictions)).toEqual(predictionsOf(world.rows));
  });

  it('accepts JSON numbers and lists, and an empty list of rows', async () => {
    const row = { ...world.rows[0]!, 101: Number(world.rows[0]!['101']), '109_14': [{ id: 3, weight: 0.5 }, '4'] };
    expect(asFloats((await post('/predict', { rows: [row] })).json<{ predictions: object[] }>().predictions)).toEqual(
      predictionsOf([row]),
    );
    expect((await post('/predict', { rows: [] })).json()).toMatchObject({ predictions: [] });
  });

  it('gives bundled requests the answers of single requests', async () => {
    const asked = Array.from({ length: 50 }, (_, i) =>
      i % 7 === 3 ? [{ ...world.rows[i]!, 101: 'x' }] : world.rows.slice(i, i + 1 + (i % 3)),
    );
    const answers = await Promise.all(asked.map((rows) => post('/predict', { rows })));
    for (const [i, rows] of asked.entries()) {
      if (i % 7 === 3)
        expect(errorOf(answers[i]!)).toEqual([
          400,
          'rows[0]: column "101": expected an integer id in digits, found "x"; correct the row, ' +
            'or set encoding: tokens if ids are strings',
        ]);
      else expect(asFloats(answers[i]!.json<{ predictions: object[] }>().predictions)).toEqual(predictionsOf(rows));
    }
    const { payload } = await server.app.inject('/metrics');
    const numberOf = (pattern: RegExp): number => Number(pattern.exec(payload)![1]);
    const [requests, bundles] = [
      numberOf(/mtl_bundle_requests_sum\{model="small"\} (\d+)/),
      numberOf(/mtl_bundle_requests_count\{model="small"\} (\d+)/),
    ];
    expect(requests - bundles).toBeGreaterThan(20);
  });

  it('with ?onBadRow=skip predicts the valid rows and reports the invalid ones', async () => {
    const rows = [world.rows[0]!, { ...world.rows[1]!, 101: 'x' }, world.rows[2]!];
    const { predictions, problems } = (await post('/predict?onBadRow=skip', { rows })).json<{
      predictions: (object | null)[];
      problems: object[];
    }>();
    expect(predictions[1]).toBeNull();
    expect(asFloats([predictions[0]!, predictions[2]!])).toEqual(predictionsOf([rows[0]!, rows[2]!]));
    expect(problems).toEqual([
      { where: 'rows[1]', key: 'column "101"', message: says('found "x"'), fix: says('correct the row') },
    ]);
  });

  it('rejects missing and misspelled columns, and treats them as null with ?onMissing=oov', async () => {
    const { 205: item, ...without } = world.rows[1]!;
    const asked = { rows: [world.rows[0]!, { ...without, '205_id': item! }] };
    expect(errorOf(await post('/predict', asked))).toEqual([
      400,
      `rows[1]: column "205": is missing; found "205_id"; did you mean '205'?`,
    ]);
    const ofNull = predictionsOf([world.rows[0]!, { ...without, 205: null }]);
    for (const [url, rows] of [
      ['/predict?onMissing=oov', asked.rows],
      ['/predict', [world.rows[0]!, { ...without, 205: null }]],
    ] as const) {
      expect(asFloats((await post(url, { rows })).json<{ predictions: object[] }>().predictions)).toEqual(ofNull);
    }
    const skipped = (await post('/predict?onBadRow=skip', asked)).json<{
      predictions: unknown[];
      problems: object[];
    }>();
    expect([skipped.predictions[1], skipped.problems]).toEqual([
      null,
      [{ where: 'rows[1]', key: 'column "205"', message: 'is missing', fix: says("did you mean '205'?") }],
    ]);
    // Each bundled request has its own options.
    const together = await Promise.all(
      ['/predict', '/predict?onMissing=oov', '/predict'].map((url) => post(url, { rows: asked.rows.slice(1) })),
    );
    expect(together.map(({ statusCode }) => statusCode)).toEqual([400, 200, 400]);
  });

  it('reports the missing columns of a row in one problem, and further problems only in `problems`', async () => {
    const names = model.inputs.map(({ name }) => name);
    const rowOf = (...absent: readonly string[]): Row =>
      Object.fromEntries(
        names.filter((name) => !absent.includes(name)).map((name) => [name, world.rows[0]![name]!] as const),
      );
    const missing = {
      where: 'rows[0]',
      key: 'columns "101", "D508"',
      message: 'are missing',
      fix: 'add them, as null if their values are missing, or set onMissing to oov',
    };
    const { where, key, message, fix } = missing;
    const line = `${where}: ${key}: ${message}; ${fix}`;
    expect((await post('/predict', { rows: [rowOf('101', 'D508')] })).json()).toEqual({
      error: line,
      problems: [missing],
    });
    const rows = [rowOf('101', 'D508'), { ...rowOf(), 101: 'x' }, rowOf(...names)];
    const { error, problems } = (await post('/predict', { rows })).json<{ error: string; problems: object[] }>();
    expect(error).toBe(`${line} (and 2 more in problems)`);
    expect(problems).toMatchObject([
      missing,
      { where: 'rows[1]', key: 'column "101"' },
      { where: 'rows[2]', key: 'columns "101", "121", "205", "206", "D508", "109_14"' },
    ]);
  });

  it('counts null and out-of-vocabulary values by column', async () => {
    const countsOf = async (): Promise<Record<string, number>> =>
      Object.fromEntries(
        [
          ...(await server.app.inject('/metrics')).payload.matchAll(
            /^mtl_(null|oov)_values_total\{model="small",column="(\w+)"\} (\d+)$/gm,
          ),
        ].map(([, kind, column, count]) => [`${kind} ${column}`, Number(count)]),
      );
    const before = await countsOf();
    expect(Object.keys(before).sort()).toEqual(
      ['101', '109_14', '121', '205', '206', 'D508'].flatMap((column) => [`null ${column}`, `oov ${column}`]).sort(),
    );
    const [a, b, c] = world.rows as [Row, Row, Row];
    await post('/predict?onBadRow=skip&onMissing=oov', {
      rows: [
        { ...a, 205: null, '109_14': '' },
        { ...b, 205: 'never seen', 101: 999_999, '109_14': ['3', 999_999] },
        { ...c, 205: undefined, 206: '', D508: 'x', 101: 'x' },
      ],
    });
    const after = await countsOf();
    const changed = Object.entries(after)
      .map(([key, count]) => [key, count - before[key]!] as const)
      .filter(([, count]) => count !== 0);
    expect(Object.fromEntries(changed)).toEqual({
      'null 205': 2,
      'null 206': 1,
      'oov 101': 1,
      'oov 109_14': 1,
      'oov 205': 1,
      'null 109_14': 1,
    });
  });

  it('returns null with the reason for a prediction that is not finite', async () => {
    const large = { ...world.rows[1]!, D508: 3e38 };
    for (const url of ['/predict', '/predict?onBadRow=skip']) {
      const response = await post(url, { rows: [world.rows[0]!, large] });
      expect(response.statusCode).toBe(200);
      const { predictions, problems } = response.json<{ predictions: (object | null)[]; problems: object[] }>();
      expect(asFloats([predictions[0]!])).toEqual(predictionsOf([world.rows[0]!]));
      expect(predictions[1]).toBeNull();
      expect(problems).toEqual([
        {
          where: 'rows[1]',
          key: 'output "cvr", "ctcvr"',
          message: 'expected a finite prediction, found NaN',
          fix: 'correct column "D508": 3e+38 is too large',
        },
      ]);
    }
    // An invalid row is still an error.
    expect(errorOf(await post('/predict', { rows: [{ ...world.rows[0]!, 101: 'x' }, large] }))).toEqual([
      400,
      says('rows[0]: column "101"'),
    ]);
  });

  it.each([
    ['invalid JSON', '{"rows": [', 400, 'body: is not valid JSON ('],
    ['an empty body', '', 400, 'body: expected JSON, found an empty body'],
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'body: expected JSON in UTF-8'],
    ['a list', '[{}]', 400, 'body: expected an object, found a list; send {"rows": […]}'],
    ['another key', '{"row": [{}]}', 400, "body: row: unknown key; expected rows; did you mean 'rows'?"],
    [
      'rows that are not a list',
      '{"rows": {}}',
      400,
      'rows: expected a list of objects with one value per column, found {}',
    ],
    [
      'a row that is not an object',
      '{"rows": [{}, 5]}',
      400,
      'rows[1]: expected an object with one value per column, found 5',
    ],
    ['an empty row', '{"rows": [{}]}', 400, 'rows[0]: columns "101", "121", "205"'],
    [
      'a missing id',
      JSON.stringify({ rows: [{ 101: null, 121: 1, 205: null, 206: null, D508: 1, '109_14': null }] }),
      400,
      'rows[0]: column "101": expected an integer id',
    ],
    [
      'nested lists',
      `{"rows": ${'['.repeat(64)}${']'.repeat(64)}}`,
      400,
      'body: expected at most 64 levels of lists and objects, found more',
    ],
    [
      'endlessly nested lists',
      `{"rows": [{"101": ${'['.repeat(100_000)}${']'.repeat(100_000)}}]}`,
      400,
      'body: expected at most 64 levels of lists and objects, found more',
    ],
    [
      'brackets in a string',
      JSON.stringify({ rows: [{ 101: '[{\\"'.repeat(100), 121: 1, 205: null, 206: null, D508: 1, '109_14': null }] }),
      400,
      'rows[0]: column "101": expected an integer id',
    ],
    [
      'too many rows',
      JSON.stringify({ rows: Array(1001).fill({}) }),
      413,
      'rows: expected at most 1000 rows, found 1001; split them into several requests, ' +
        'or raise --max-rows of mtl serve',
    ],
    [
      'too many bytes',
      ' '.repeat(2 ** 20 + 1),
      413,
      'body: expected at most 1.0 MB; split the rows into several requests',
    ],
  ])('rejects %s with the reason', async (_, body, status, message) => {
    expect(errorOf(await post('/predict', body))).toEqual([status, says(message)]);
  });

  it('decompresses bodies up to the size limit', async () => {
    const gzip = (text: string): Promise<InjectedResponse> =>
      post('/predict', gzipSync(text), { 'content-encoding': 'gzip' });
    expect((await gzip(JSON.stringify({ rows: world.rows.slice(0, 2) }))).statusCode).toBe(200);
    expect(errorOf(await gzip(' '.repeat(2 ** 21)))).toEqual([413, says('body: expected at most 1.0 MB')]);
    expect(errorOf(await post('/predict', 'x', { 'content-encoding': 'GZIP' }))).toEqual([
      400,
      says('body: is not valid gzip, as declared by content-encoding ('),
    ]);
    expect(errorOf(await post('/predict', 'x', { 'content-encoding': 'br' }))).toEqual([
      415,
      'content-encoding: expected gzip or deflate, found "br"',
    ]);
  });

  it('bundles compressed bodies by their decompressed size', async () => {
    const { app } = await serverOfTest({ paths: [world.run], limits: { bytes: 1 << 22, rows: 1000 } });
    const payload = gzipSync(JSON.stringify({ rows: world.rows.slice(0, 1) }).padEnd(1 << 20));
    expect(payload.length).toBeLessThan(5000);
    const asked = Array.from({ length: 20 }, () =>
      app.inject({ method: 'POST', url: '/predict', payload, headers: { 'content-encoding': 'gzip' } }),
    );
    expect(new Set((await Promise.all(asked)).map(({ statusCode }) => statusCode))).toEqual(new Set([200]));
    const { payload: metrics } = await app.inject('/metrics');
    expect(metrics).toContain('mtl_bundle_requests_bucket{le="1",model="small"} 20\n');
  });

  it('counts requests with an invalid body', async () => {
    const countOf = async (): Promise<number> =>
      Number(
        /^mtl_requests_total\{model="small",status="415"\} (\d+)$/m.exec(
          (await server.app.inject('/metrics')).payload,
        )?.[1] ?? 0,
      );
    const before = await countOf();
    await post('/predict', 'x', { 'content-encoding': 'br' });
    expect(await countOf()).toBe(before + 1);
  });

  it('rejects unknown options', async () => {
    expect(errorOf(await post('/predict?onBadRows=skip', {}))).toEqual([
      400,
      "?onBadRows: unknown; expected ?onBadRow or ?onMissing; did you mean 'onBadRow'?",
    ]);
    expect(errorOf(await post('/predict?onBadRow=drop', {}))).toEqual([
      400,
      '?onBadRow: expected error or skip, found "drop"',
    ]);
    expect(errorOf(await post('/predict', {}, { 'inference-header-content-length': '2' }))).toEqual([
      400,
      'inference-header-content-length: belongs to POST /v2/models/NAME/infer',
    ]);
  });
});

describe('mtl serve', () => {
  it('answers liveness and readiness probes', async () => {
    for (const url of ['/healthz', '/v2/health/live'])
      expect((await server.app.inject(url)).json()).toEqual({ live: true });
    for (const url of ['/readyz', '/v2/health/ready'])
      expect((await server.app.inject(url)).json()).toEqual({ ready: true });
  });

  it('reports unknown paths and methods', async () => {
    expect(errorOf(await server.app.inject('/predikt'))).toEqual([404, says('/predikt: unknown path')]);
    expect(errorOf(await server.app.inject('/predict'))).toEqual([405, '/predict: expected POST, found GET']);
    expect(errorOf(await post('/readyz', {}))).toEqual([405, '/readyz: expected GET, found POST']);
    expect(errorOf(await server.app.inject('/v2/models/small/infer'))).toEqual([405, says('expected POST')]);
    expect((await server.app.inject('/%E0%A4%A')).statusCode).toBe(400);
  });

  it('exports OpenMetrics if the client prefers it', async () => {
    const get = (accept: string) => server.app.inject({ method: 'GET', url: '/metrics', headers: { accept } });
    const [open, text] = [await get('application/openmetrics-text; version=1.0.0'), await get('text/plain')];
    expect([open.headers['content-type'], text.headers['content-type']]).toEqual([
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
    expect(open.payload).toMatch(/^# TYPE mtl_rows counter\nmtl_rows_total\{model="small"\} \d+\n[^]*\n# EOF\n$/m);
    expect(text.payload).not.toContain('# EOF');
  });

  it('exports metrics for Prometheus', async () => {
    const countOf = async (name: string): Promise<number> =>
      Number(
        new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(
          (await server.app.inject('/metrics')).payload,
        )?.[1] ?? 0,
      );
    const names = [
      'mtl_requests_total{model="small",status="200"}',
      'mtl_requests_total{model="small",status="400"}',
      'mtl_rows_total{model="small"}',
      'mtl_request_seconds_count{model="small"}',
    ];
    const before = await Promise.all(names.map(countOf));
    await post('/predict', { rows: world.rows.slice(0, 7) });
    await post('/predict', '?');
    const after = await Promise.all(names.map(countOf));
    expect(after.map((value, i) => value - before[i]!)).toEqual([1, 1, 7, 2]);
    expect((await server.app.inject('/metrics')).payload).toContain(
      `mtl_model_info{model="small",version="10",checkpoint="${model.checkpoint}"} 1`,
    );
  });

  it('requires its token except for probes', async () => {
    const { app } = await serverOfTest({ paths: [world.run], token: 'sesame' });
    for (const url of ['/healthz', '/readyz', '/v2/health/live', '/v2/health/ready'])
      expect((await app.inject(url)).statusCode).toBe(200);
    const ask = (authorization?: string): Promise<InjectedResponse> =>
      app.inject({
        method: 'POST',
        url: '/predict',
        payload: { rows: world.rows.slice(0, 1) },
        headers: { ...(authorization !== undefined && { authorization }) },
      });
    for (const wrong of [undefined, 'sesame', 'Bearer', 'Bearer sesam', 'Bearer sesame seed', 'Basic sesame']) {
      const response = await ask(wrong);
      expect(errorOf(response)).toEqual([
        401,
        'authorization: missing or wrong token; send the header Authorization: Bearer TOKEN',
      ]);
      expect(response.headers['www-authenticate']).toBe('Bearer');
    }
    for (const url of ['/metrics', '/v2', '/nothing']) expect((await app.inject(url)).statusCode).toBe(401);
    expect((await ask('Bearer sesame')).statusCode).toBe(200);
  });

  it('serves several models by name', async () => {
    const { app } = await serverOfTest({
      paths: [world.run, join(world.run, 'checkpoints', 'last')],
      names: ['best', 'last'],
    });
    const ask = (url: string): Promise<InjectedResponse> =>
      app.inject({ method: 'POST', url, payload: { rows: world.rows.slice(0, 1) } });
    expect((await ask('/models/best/predict')).json()).toMatchObject({ model: 'best' });
    expect((await ask('/models/last/predict')).json()).toMatchObject({ model: 'last' });
    expect(errorOf(await ask('/predict'))).toEqual([
      404,
      '/predict: several models are served; available: best, last; use POST /models/NAME/predict',
    ]);
    expect(errorOf(await ask('/models/bast/predict'))).toEqual([
      404,
      `model: unknown model "bast"; available: best, last; did you mean 'best'?`,
    ]);
  });

  it.each([
    [{ paths: ['run', 'run'] }, 'has the same name "small" as '],
    [{ paths: ['run'], names: ['a', 'b'] }, '--name: expected 1 comma-separated names, one per model, found 2'],
    [{ paths: ['run'], names: ['a/b'] }, '--name: expected at most 64 letters, digits, dots, - and _, found "a/b"'],
    [{ paths: ['nowhere'] }, 'no such directory; name a run or a checkpoint'],
    [{ paths: ['run'], host: '203.0.113.1' }, '--host 203.0.113.1: not an address of this machine'],
  ])('does not start with %j', async ({ paths, ...options }, message) => {
    await expect(startServer({ paths: paths.map((path) => join(folder, path)), ...options })).rejects.toThrow(message);
  });

  it('does not start on a port in use', async () => {
    const port = Number(new URL(server.url).port);
    await expect(startServer({ paths: [world.run], port })).rejects.toThrow(
      `--port ${port}: port already in use; use another port, or --port 0 for a free one`,
    );
  });
});
