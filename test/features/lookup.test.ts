import { column } from '../../src/core/batch.js';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { encodeRows } from '../../src/data/pipeline.js';
import { openRows } from '../../src/data/readers/open-rows.js';
import { withLookups } from '../../src/data/sources/lookups.js';
import type { LookupsOptions } from '../../src/data/lookup-options.js';
import { rowsOfObjects, type Row } from '../../src/data/objects/given-rows.js';
import { ObjectReader } from '../../src/data/objects/object-reader.js';
import { encodedFormat, toRecipe, createRowFormat, type RowFormat } from '../../src/data/rows/row-format.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { listInputs } from '../../src/features/model-input.js';
import { loadedLookups, lookupTensors } from '../../src/features/lookups.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { mtl } from '../support/mtl.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

/** Number of missing results. */
const MISSING = -999;

function readFormat(expression: string, lookups: LookupsOptions, cells: object = {}): Promise<RowFormat> {
  const group = featureTypes.schema.parse({
    type: 'expression',
    encoding: { name: 'numeric', fillMissing: MISSING },
    fields: [{ name: 'x', expression }],
  });
  return withLookups(createRowFormat({ tasks: [], groups: [group], cells }), lookups);
}

/** Evaluates the expression of a format on rows. */
function evaluate(format: RowFormat, rows: readonly Row[]): readonly number[] {
  const { batches, problems } = new ObjectReader(encodedFormat(format, {}).fields).read(rowsOfObjects(rows));
  const numbers = [...batches].flatMap(({ batch }) => [...column(batch, 'x', 'f32').data.subarray(0, batch.rows)]);
  expect(problems.list()).toEqual([]);
  return numbers;
}

const ITEMS =
  'item_id,price,brand,born,tags,list price\n' +
  '7,2.5,Acme,2026-11-01,a|b,3\n' +
  'x y,,Öl & Co,,,4\n' +
  '07,-1,acme,2026-11-03T12:00,b|c|d,\n';
const items = (content = ITEMS, name = 'items.csv', options: object = {}): LookupsOptions => ({
  items: { file: scratchFile(name, content), key: 'item_id', ...options },
});

describe('lookup', () => {
  const row = { item: 7, other: '07', odd: 'x y', none: null, absent: 8, tags: 'b|d', at: '2026-11-02', brand: 'Acme' };
  it.each([
    ['lookup(items.price, item)', 2.5],
    ['lookup(items.price, item) * 2 + lookup(items.price, other)', 4],
    ['lookup(items.price, odd)', MISSING],
    ['lookup(items.price, absent)', MISSING],
    ['lookup(items.price, none)', MISSING],
    ['missing(lookup(items.price, absent)) + missing(lookup(items.price, item))', 1],
    ["lookup(items.price, 'x y') + item", MISSING],
    ["lookup(items.price, '07') + item", 6],
    ["lookup(items.brand, item) == 'Acme'", 1],
    ["lookup(items.brand, other) == 'Acme'", 0],
    ["lookup(items.brand, odd) == 'Öl & Co'", 1],
    ["lookup(items.brand, absent) == 'Acme'", MISSING],
    ['hours(at, lookup(items.born, item))', 24],
    ['hours(lookup(items.born, other), at)', 36],
    ['days(at, lookup(items.born, odd))', MISSING],
    ['size(lookup(items.tags, other))', 3],
    ['overlap(lookup(items.tags, item), tags)', 1],
    ['overlap(lookup(items.tags, other), lookup(items.tags, item))', 1],
    ['size(lookup(items.tags, absent)) + item', 7],
    ['lookup(`items.list price`, item)', 3],
  ])('computes %s', async (expression, expected) => {
    expect(evaluate(await readFormat(expression, items()), [row, row])).toEqual([expected, expected]);
  });

  it('looks up a key that is looked up', async () => {
    const lookups = { ...items(), brands: { file: scratchFile('b.csv', 'name,share\nAcme,0.25\n'), key: 'name' } };
    const format = await readFormat('lookup(brands.share, lookup(items.brand, item_id))', lookups);
    expect(evaluate(format, [{ item_id: '7' }, { item_id: '07' }, { item_id: 'z' }])).toEqual([0.25, MISSING, MISSING]);
    expect(listInputs(encodedFormat(format, {}).fields)).toEqual([{ name: 'item_id', holds: 'text' }]);
  });

  it('has the values of a join, for any keys and values, also after storage', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', '-', '.', 'ä', '😀', ' '), maxLength: 4 });
    const table = fc.uniqueArray(
      fc.record({
        key: text.filter((key) => key !== ''),
        value: fc.option(fc.double({ noNaN: true, min: -1e30, max: 1e30 })),
      }),
      { selector: ({ key }) => key, minLength: 1, maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(table, fc.array(text, { minLength: 1, maxLength: 20 }), async (rows, others) => {
        const file = scratchFile('t.jsonl', rows.map((each) => `${JSON.stringify(each)}\n`).join(''));
        const format = await readFormat('lookup(t.value, k)', { t: { file, key: 'key' } });
        const keys = [...rows.map(({ key }) => key), ...others];
        const expected = keys.map((key) => {
          const value = rows.find((each) => each.key === key)?.value;
          // JSON has no negative zero.
          return value === undefined || value === null ? MISSING : Math.fround(value === 0 ? 0 : value);
        });
        expect(
          evaluate(
            format,
            keys.map((k) => ({ k })),
          ),
        ).toEqual(expected);
        const lookups = loadedLookups(lookupTensors(format.spec.lookups!));
        expect(lookups.get('t')!.digest).toBe(format.spec.lookups!.get('t')!.digest);
        expect(
          evaluate(
            createRowFormat({ ...format.spec, lookups }),
            keys.map((k) => ({ k })),
          ),
        ).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('reads JSON Lines, other dialects, several files, and cleans keys as data', async () => {
    const json = '{"item_id":7,"price":true}\n{"item_id":"8","price":1.5,"tags":["a","b"]}\n';
    const sum = 'lookup(items.price, k) + 10';
    const rows = [{ k: '7' }, { k: 8 }];
    expect(evaluate(await readFormat(sum, items(json, 'items.jsonl')), rows)).toEqual([11, 11.5]);
    const size = await readFormat('size(lookup(items.tags, k))', items(json, 'items.jsonl'));
    expect(evaluate(size, rows)).toEqual([0, 2]);
    const comma = items('item_id;price\n7;1,5\n8;2\n', 'items.txt', { decimal: ',' });
    expect(evaluate(await readFormat(sum, comma), rows)).toEqual([11.5, 12]);
    const folder = scratchFolder();
    mkdirSync(join(folder, 'items'));
    writeFileSync(join(folder, 'items', 'a.csv'), 'item_id,price\n 7 ,?\n');
    writeFileSync(join(folder, 'items', 'b.csv'), 'price,item_id\n3,8\n');
    const parts = { items: { file: join(folder, 'items'), key: 'item_id' } };
    expect(evaluate(await readFormat(sum, parts, { trim: true, nullValues: ['?'] }), rows)).toEqual([MISSING, 13]);
  });

  it('is encoded the same on several threads, which share the tables', async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `${['7', '07', 'x y', '8'][(i * 7) % 4]},${i}\n`);
    const file = scratchFile('rows.csv', `k,n\n${lines.join('')}`);
    const format = encodedFormat(await readFormat('lookup(items.price, k) * 4 + n', items()), {});
    const read = async (threads: number): Promise<readonly number[]> => {
      const numbers: number[] = [];
      const rows = await openRows(file, ['k', 'n']);
      for await (const { batch } of encodeRows(rows, format, { threads, isPatient: true }))
        numbers.push(...column(batch, 'x', 'f32').data.subarray(0, batch.rows));
      return numbers;
    };
    const expected = lines.map((line, i) => ({ 7: 10 + i, '07': i - 4 })[line.split(',')[0]!] ?? MISSING);
    expect(await read(1)).toEqual(expected);
    expect(await read(3)).toEqual(expected);
  });

  it('changes the recipe of encoded rows if, and only if, a value changes that an expression reads', async () => {
    const recipe = async (content: string): Promise<unknown> =>
      toRecipe(await readFormat('lookup(items.price, k)', items(content)));
    const first = await recipe(ITEMS);
    expect(await recipe(ITEMS.replace('Acme', 'Other'))).toEqual(first);
    expect(await recipe(ITEMS.replace('2.5', '2.6'))).not.toEqual(first);
    expect(await recipe(ITEMS.replace('x y', 'x z'))).not.toEqual(first);
  });

  it.each([
    ['price', 'item_id,prices\n1,2\n', /items\.csv:1: column "price": .*did you mean 'prices'\?/],
    [
      'price',
      'item,price\n1,2\n',
      /items\.csv:1: column "item_id": .*use one of the 2 columns of the header: item, price/,
    ],
    [
      'price',
      'item_id,price\n1,2\n\n2,2\n1,3\n',
      /items\.csv:5: column "item_id": expected a key that no other row has, found "1"; remove one; .*items\.csv:2 has/,
    ],
    ['price', 'item_id,price\n1,2\n,2\n', /items\.csv:3: column "item_id": expected a key, found ""; remove the row/],
    ['price', 'item_id,price\n1,2\n2,x\n', /items\.csv:3: column "price": expected a decimal number, found "x"/],
    ['price', 'item_id,price\n1,2\n2\n', /items\.csv:3: data\.lookups\.items: expected 2 values/],
    ['born', 'item_id,born\n1,soon\n', /items\.csv:2: column "born": expected a date such as .*, found "soon"/],
  ])('rejects a side file with a wrong %s and its place', async (column, content, message) => {
    const call = column === 'born' ? 'days(at, lookup(items.born, k))' : 'lookup(items.price, k)';
    await expect(readFormat(call, items(content))).rejects.toThrow(message);
  });

  it('reports every side file that is missing', async () => {
    const missing = { a: { file: '/none/a.csv', key: 'k' }, b: { file: '/none/b.csv', key: 'k' } };
    await expect(readFormat('lookup(a.x, k) + lookup(b.x, k)', missing)).rejects.toThrow(
      /a\.csv: data\.lookups\.a: .*\n.*b\.csv: data\.lookups\.b: /,
    );
  });

  it.each([
    ['lookup(items.price)', 'lookup expects a column of a table and a key, as in lookup\\(items\\.price, item_id\\)'],
    ['lookup(price, item_id)', 'lookup expects a column of a table and a key'],
    ['1 + lookup(items.price, a, b)', 'lookup expects a column of a table and a key.* at character 5'],
    ['lookup(items.price, a + 1)', 'expected a string, found the number of \\+ at character 23'],
    ['lokup(items.price, a)', "unknown function 'lokup'; did you mean 'lookup'\\?"],
    ['lookup(item.price, a)', 'expected a table of data\\.lookups, found "item"; did you mean \'items\'\\?'],
  ])('rejects %s in a config with its place', (expression, message) => {
    const config =
      'data: { train: t.csv, lookups: { items: { file: items.csv, key: item_id } } }\n' +
      `features: { g: { type: expression, fields: [{ name: x, expression: ${JSON.stringify(expression)} }] } }\n` +
      'tasks: { ctr: { label: click } }\nmodel: { name: mmoe }\n';
    const read = (): unknown => parseConfig(config, 'c.yaml');
    expect(read).toThrow(new RegExp(message));
    expect(read).toThrow(/c\.yaml:2:\d+: features\.g\.fields\.0/);
  });
});

describe('a model with a lookup', { tags: ['long'] }, () => {
  /** Returns a log in which the click rate depends on the price of the item. */
  const drawLog = (begin: number): string => {
    const lines = Array.from({ length: 1500 }, (_, i) => {
      const item = ((begin + i) * 7919) % 211;
      return `${Number((item * 37) % 101 > 50)},i${item},${i % 9}`;
    });
    return `click,item,shows\n${lines.join('\n')}\n`;
  };
  const drawItems = (scale: number): string =>
    `id,price\n${Array.from({ length: 200 }, (_, item) => `i${item},${((item * 37) % 101) * scale}\n`).join('')}`;
  const RATE = 'lookup(items.price, item) / (shows + 1)';

  const CONFIG =
    'data: { train: train.csv, valid: valid.csv, test: test.csv, lookups: { items: { file: items.csv, key: id } } }\n' +
    `features: { prices: { type: expression, fields: [{ name: price, expression: "lookup(items.price, item)" },\n` +
    `  { name: rate, expression: "${RATE}" }] } }\n` +
    'tasks: { ctr: { label: click } }\nmodel: { name: single-task, tower: { hidden: [8], batchNorm: false } }\n' +
    'training: { epochs: 4, batchSize: 64, optimizer: { dense: { learningRate: 0.01 }, ' +
    'embeddings: { learningRate: 0.05 } } }\n';
  const writeInputs = (cwd: string): void => {
    for (const [s, split] of ['train', 'valid', 'test'].entries()) writeFileSync(join(cwd, `${split}.csv`), drawLog(s));
    writeFileSync(join(cwd, 'items.csv'), drawItems(0.5));
    writeFileSync(join(cwd, 'c.yaml'), CONFIG);
  };

  it('trains, predicts, serves and is exported without the side file', async () => {
    const cwd = scratchFolder();
    writeInputs(cwd);
    const { stdout, stderr, code } = await mtl(cwd, ['train', 'c.yaml', '--json', '--run-dir', 'run']);
    expect([code, stderr.includes('error')]).toEqual([0, false]);
    const { metrics } = JSON.parse(stdout) as { metrics: { test: { ctr: { auc: number } } } };
    expect(metrics.test.ctr.auc).toBeGreaterThan(0.98);

    // The same model on a log that was joined before.
    const prices = new Map(
      drawItems(0.5)
        .trimEnd()
        .split('\n')
        .map((line) => line.split(',') as [string, string]),
    );
    mkdirSync(join(cwd, 'joined'));
    for (const split of ['train', 'valid', 'test']) {
      const [head, ...lines] = readFileSync(join(cwd, `${split}.csv`), 'utf8')
        .trimEnd()
        .split('\n');
      const joined = lines.map((line) => `${line},${prices.get(line.split(',')[1]!) ?? ''}`);
      writeFileSync(join(cwd, 'joined', `${split}.csv`), `${head},joined_price\n${joined.join('\n')}\n`);
    }
    const joinedConfig = CONFIG.replaceAll('lookup(items.price, item)', 'joined_price');
    writeFileSync(join(cwd, 'joined', 'c.yaml'), joinedConfig.replace(/, lookups: .*? \} \} \}/, ' }'));
    const joined = await mtl(join(cwd, 'joined'), ['train', 'c.yaml', '--json', '--run-dir', 'run']);
    expect((JSON.parse(joined.stdout) as { metrics: unknown }).metrics).toEqual(metrics);

    rmSync(join(cwd, 'items.csv'));
    expect(existsSync(join(cwd, 'run', 'checkpoints', 'best', 'lookups.safetensors'))).toBe(true);
    const predicted = await mtl(cwd, ['predict', 'run', '--data', 'test.csv', '--out', 'predicted.csv']);
    expect([predicted.code, predicted.stderr]).toEqual([0, expect.any(String)]);
    const evaluated = await mtl(cwd, ['eval', 'run', '--json']);
    expect((JSON.parse(evaluated.stdout) as { metrics: { test: unknown } }).metrics.test).toEqual(metrics.test);

    const [head, ...lines] = readFileSync(join(cwd, 'predicted.csv'), 'utf8').trimEnd().split('\n');
    const column = head!.split(',').indexOf('ctr');
    const rows = drawLog(2)
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','));
    const model = await loadModel(join(cwd, 'run'));
    expect(model.inputs.map(({ name }) => name)).toEqual(['item', 'shows']);
    const own = model.predict(rows.map(([, item, shows]) => ({ item: item!, shows: Number(shows) })))['ctr']!;
    model.dispose();
    for (const [i, line] of lines.entries()) expect(own[i]).toBe(Math.fround(Number(line.split(',')[column])));

    const exported = await mtl(cwd, ['export', 'run', '--format', 'onnx', '--out', 'model.onnx']);
    expect([exported.code, exported.stderr]).toEqual([0, expect.any(String)]);
  });

  it('resumes with the same side file only; another one changes cached rows and a warm start', async () => {
    const cwd = scratchFolder();
    writeInputs(cwd);
    const epochs = (count: number): string[] => ['--no-baseline', '--json', '--set', `training.epochs=${count}`];
    const train = async (args: readonly string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await mtl(cwd, ['train', ...args]);
      expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
      return (JSON.parse(stdout) as { metrics: { test: unknown } }).metrics.test;
    };
    const whole = await train(['c.yaml', '--run-dir', 'whole', ...epochs(2)]);
    await train(['c.yaml', '--run-dir', 'run', ...epochs(1)]);
    expect(await train(['--resume', 'run', ...epochs(2)])).toEqual(whole);

    writeFileSync(join(cwd, 'items.csv'), drawItems(-2));
    const { code, stderr } = await mtl(cwd, ['train', '--resume', 'run', ...epochs(3)]);
    expect([code, stderr]).toEqual([3, expect.stringContaining('data.lookups.items: has other rows than at training')]);
    const cached = await train(['c.yaml', '--run-dir', 'cached', ...epochs(1)]);
    const fresh = await train(['c.yaml', '--run-dir', 'fresh', ...epochs(1), '--set', 'data.cache=other']);
    expect(cached).toEqual(fresh);
    expect(await train(['c.yaml', '--init-from', 'run', '--run-dir', 'warm', ...epochs(1)])).not.toEqual(fresh);
  });
});
