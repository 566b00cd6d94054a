import { column } from '../../src/core/batch.js';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { encodeRows } from '../../src/data/pipeline.js';
import { openRows } from '../../src/data/readers/open-rows.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { withLookups } from '../../src/data/sources/lookups.js';
import { featureTypes, createFields } from '../../src/features/feature-types.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { mtl } from '../support/mtl.js';
import { expectNear, runOnnx } from '../support/onnx.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const BRANDS: Readonly<Record<string, string>> = { 1: 'Acme', 2: ' Öl ', 3: '?', 4: '', 5: 'acme', 6: 'Acme', 7: '12' };
const ITEMS = `id,brand\n${Object.entries(BRANDS)
  .map(([id, brand]) => `${id},${brand}\n`)
  .join('')}`;
const KEYS = Array.from({ length: 200 }, (_, i) => String((i * i * i + i) % 9));
/** A log with the keys, and the log joined with the table before. */
const LOG = `item,brand\n${KEYS.map((key) => `${key},${BRANDS[key] ?? ''}\n`).join('')}`;

/** Encodes the log with the field `brand`, as training does; returns its ids. */
async function encodeBrand(field: object, options: object, cells: object, threads: number): Promise<readonly number[]> {
  const group = featureTypes.schema.parse({ type: 'categorical', ...options, fields: [{ name: 'brand', ...field }] });
  const lookups = { items: { file: scratchFile('items.csv', ITEMS), key: 'id' } };
  const format = await withLookups(createRowFormat({ tasks: [], groups: [group], cells }), lookups);
  const file = scratchFile('log.csv', LOG);
  const fitted = await (await openSource(file, ['item', 'brand'])).fit(format, { policy: refuseBadRows });
  const ids: number[] = [];
  const rows = await openRows(file, ['item', 'brand']);
  for await (const { batch } of encodeRows(rows, encodedFormat(format, fitted), { threads, isPatient: true }))
    ids.push(...column(batch, 'brand', 'u32').data.subarray(0, batch.rows));
  return ids;
}

const VALUE = 'lookup(items.brand, item)';

describe('an id field with a looked-up text', () => {
  it.each([
    ['tokens', { encoding: 'tokens' }, {}],
    ['tokens with a row for missing values', { encoding: { name: 'tokens', minCount: 1 }, fillMissing: 'token' }, {}],
    ['tokens, cleaned', { encoding: { name: 'tokens', minCount: 1 } }, { trim: true, nullValues: ['?'] }],
    ['hash', { encoding: { name: 'hash', buckets: 50 } }, {}],
    ['auto', { encoding: 'auto' }, { nullValues: [12] }],
  ])('has the ids of a column of the joined log: %s', async (_, options, cells) => {
    const joined = await encodeBrand({}, options, cells, 1);
    expect(new Set(joined).size).toBeGreaterThan(3);
    for (const threads of [1, 3]) expect(await encodeBrand({ value: VALUE }, options, cells, threads)).toEqual(joined);
  });

  it('shares the table of a column', () => {
    const { features } = parseConfig(
      'data: { train: t.csv, lookups: { items: { file: items.csv, key: id } } }\nfeatures:\n' +
        '  g: { type: categorical, encoding: tokens, width: 3, fields: [liked, ' +
        `{ name: brand, value: "${VALUE}", table: liked }] }\n` +
        'tasks: { ctr: { label: click } }\nmodel: { name: single-task }\n',
      'c.yaml',
    );
    const fields = createFields(Object.values(features));
    expect(fields.map(({ name, owner, columns, width }) => [name, owner, columns, width])).toEqual([
      ['liked', 'liked', ['liked'], 3],
      ['brand', 'liked', ['item'], 3],
    ]);
  });

  it.each([
    ['items.brand', 'expected a text of a side table, as in lookup\\(items\\.brand, item_id\\) at character 1'],
    ['lookup(items.brand, item) + 1', 'expected a text of a side table'],
    ['lookup(brand, item)', 'lookup expects a column of a table and a key'],
    ['lookup(item.brand, item)', 'expected a table of data\\.lookups, found "item"; did you mean \'items\'\\?'],
  ])('rejects %s in a config with its place', (value, message) => {
    const config =
      'data: { train: t.csv, lookups: { items: { file: items.csv, key: id } } }\n' +
      `features: { g: { type: categorical, fields: [{ name: brand, value: ${JSON.stringify(value)} }] } }\n` +
      'tasks: { ctr: { label: click } }\nmodel: { name: mmoe }\n';
    const read = (): unknown => parseConfig(config, 'c.yaml');
    expect(read).toThrow(new RegExp(message));
    expect(read).toThrow(/c\.yaml:2:\d+: features\.g\.fields\.0/);
  });
});

describe('a model with a looked-up id', { tags: ['long'] }, () => {
  const drawLog = (begin: number): readonly (readonly [click: number, item: string])[] =>
    Array.from({ length: 1200 }, (_, i) => {
      const item = ((begin + i) * 7919) % 211;
      return [Number((item % 12) % 5 < 2), `i${item}`];
    });
  /** The last items have no row. */
  const brandOf = (item: string): string => (Number(item.slice(1)) < 200 ? `b${Number(item.slice(1)) % 12}` : '');
  const CONFIG =
    'data: { train: train.csv, valid: valid.csv, test: test.csv, lookups: { items: { file: items.csv, key: id } } }\n' +
    'features: { brands: { type: categorical, width: 4, encoding: tokens, ' +
    `fields: [{ name: brand, value: "${VALUE}" }] } }\n` +
    'tasks: { ctr: { label: click } }\nmodel: { name: single-task, tower: { hidden: [8], batchNorm: false } }\n' +
    'training: { epochs: 3, batchSize: 64, optimizer: { dense: { learningRate: 0.01 }, ' +
    'embeddings: { learningRate: 0.05 } } }\n';
  const JOINED = CONFIG.replace(`{ name: brand, value: "${VALUE}" }`, 'brand').replace(/, lookups: .*? \} \} \}/, ' }');

  function writeInputs(cwd: string): void {
    mkdirSync(join(cwd, 'joined'));
    for (const [s, split] of ['train', 'valid', 'test'].entries()) {
      const rows = drawLog(s);
      writeFileSync(join(cwd, `${split}.csv`), `click,item\n${rows.map((row) => `${row.join(',')}\n`).join('')}`);
      const joined = rows.map(([click, item]) => `${click},${brandOf(item)}\n`);
      writeFileSync(join(cwd, 'joined', `${split}.csv`), `click,brand\n${joined.join('')}`);
    }
    const items = Array.from({ length: 200 }, (_, item) => `i${item},${brandOf(`i${item}`)}\n`);
    writeFileSync(join(cwd, 'items.csv'), `id,brand\n${items.join('')}`);
    writeFileSync(join(cwd, 'c.yaml'), CONFIG);
    writeFileSync(join(cwd, 'joined', 'c.yaml'), JOINED);
  }

  async function train(cwd: string, ...more: readonly string[]): Promise<{ readonly test: unknown }> {
    const { code, stdout, stderr } = await mtl(cwd, ['train', 'c.yaml', '--json', '--no-baseline', ...more]);
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    return (JSON.parse(stdout) as { readonly metrics: { readonly test: unknown } }).metrics;
  }

  it('trains, starts warm, predicts and serves as one on the joined log, without the side file', async () => {
    const cwd = scratchFolder();
    writeInputs(cwd);
    const metrics = await train(cwd, '--run-dir', 'run');
    expect(metrics).toEqual(await train(join(cwd, 'joined'), '--run-dir', 'run'));
    const warm = await train(cwd, '--init-from', 'run', '--run-dir', 'warm');
    expect(warm).not.toEqual(metrics);
    expect(warm).toEqual(await train(join(cwd, 'joined'), '--init-from', 'run', '--run-dir', 'warm'));

    rmSync(join(cwd, 'items.csv'));
    const evaluated = await mtl(cwd, ['eval', 'run', '--json']);
    expect((JSON.parse(evaluated.stdout) as { metrics: { test: unknown } }).metrics.test).toEqual(metrics.test);
    const predictions: string[] = [];
    for (const folder of [cwd, join(cwd, 'joined')]) {
      const { code } = await mtl(folder, ['predict', 'run', '--data', 'test.csv', '--out', 'out.csv']);
      expect(code).toBe(0);
      predictions.push(readFileSync(join(folder, 'out.csv'), 'utf8'));
    }
    expect(predictions[0]).toBe(predictions[1]);

    const model = await loadModel(join(cwd, 'run'));
    expect(model.inputs).toEqual([{ name: 'item', holds: 'text' }]);
    const served = model.predict(drawLog(2).map(([, item]) => ({ item })))['ctr']!;
    model.dispose();
    const [head, ...lines] = predictions[0]!.trimEnd().split('\n');
    const column = head!.split(',').indexOf('ctr');
    expect([...served]).toEqual(lines.map((line) => Math.fround(Number(line.split(',')[column]))));
  });

  it('is exported with its id as input, or with the key as input of the encoders', async () => {
    const cwd = scratchFolder();
    writeInputs(cwd);
    await train(cwd, '--run-dir', 'run', '--set', 'training.epochs=1');
    for (const [out, ...options] of [['plain.onnx'], ['raw.onnx', '--with-encoders']] as const) {
      const { code } = await mtl(cwd, ['export', 'run', '--format', 'onnx', '--out', out, ...options]);
      expect(code).toBe(0);
    }
    const inputs = async (file: string): Promise<readonly string[]> =>
      (await InferenceSession.create(join(cwd, file))).inputNames;
    expect([await inputs('plain.onnx'), await inputs('raw.onnx')]).toEqual([['brand'], ['item']]);

    const session = await InferenceSession.create(join(cwd, 'raw.onnx'));
    const items = [...drawLog(2).map(([, item]) => item), '', 'absent'];
    const found = await runOnnx(session, { item: new Tensor('string', items, [items.length]) });
    const model = await loadModel(join(cwd, 'run'));
    expectNear(found, new Map(Object.entries(model.predict(items.map((item) => ({ item }))))));
    model.dispose();
  });
});
