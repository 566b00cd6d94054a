/** @module-tag long */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { describeData } from '../../src/data/info/describe-data.js';
import { exportModel } from '../../src/export.js';
import { formatSpec } from '../../src/export/formats.js';
import { importance } from '../../src/importance.js';
import { planRows } from '../../src/inputs/open-inputs.js';
import { loadModel, type Model } from '../../src/index.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { logRows, trainLog, type LogRow } from '../support/click-log.js';
import { expectExported } from '../support/exported-run.js';
import { startServer } from '../support/served.js';
import { abortAtStep, trainSmall } from '../support/small-run.js';

let [folder, run] = ['', ''];
let model: Model;
const rows = logRows('test', 90);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-sequence-use-'));
  // The second one reads ages, which are one more field.
  run = await trainLog(folder, {}, '[target-attention, { name: hstu, width: 8, readout: { hidden: [8] } }]');
  model = await loadModel(run);
});
afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const signal = new AbortController().signal;
const onWarning = (): void => undefined;

/** Converts the lists of a row to JSON. */
function withLists(row: LogRow): Record<string, string | number | string[] | number[]> {
  const list = (text: string): string[] => (text === '' ? [] : text.split('|'));
  return {
    ...row,
    hist_item: list(row['hist_item']!),
    hist_cate: list(row['hist_cate']!),
    hist_price: list(row['hist_price']!).map(Number),
    hist_time: list(row['hist_time']!).map(Number),
  };
}

/** Returns the metadata of fields in an exported file. */
function readFields(path: string): readonly { readonly name: string }[] {
  const bytes = readFileSync(path);
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + bytes.readUInt32LE(0))) as {
    __metadata__: Record<string, string>;
  };
  return JSON.parse(header.__metadata__['mtl.features']!) as { name: string }[];
}

describe('a trained model with a sequence', () => {
  it('predicts rows of strings and of lists alike, and differently without the history', () => {
    const texts = model.predict(rows);
    expect(model.predict(rows.map(withLists))).toEqual(texts);
    const without = { hist_item: '', hist_cate: '', hist_price: '', hist_time: '' };
    const changed = model.predict(rows.map((row) => ({ ...row, ...without })));
    expect(changed).not.toEqual(texts);
    // Every fourth row has no history.
    for (const [name, values] of Object.entries(changed)) expect(values[0]).toBe(texts[name]![0]);
  });

  it('serves rows and tensors like the library, with its columns as metadata', async () => {
    const server = await startServer({ paths: [run] });
    try {
      const some = rows.slice(0, 8);
      const expected = model.predict(some);
      const send = async (url: string, payload?: object) => {
        const response = await server.app.inject({
          method: payload ? 'POST' : 'GET',
          url,
          ...(payload && { payload }),
        });
        expect(response.statusCode, response.body).toBe(200);
        return JSON.parse(response.body) as unknown;
      };
      const { predictions } = (await send('/predict', { rows: some.map(withLists) })) as {
        predictions: readonly Record<string, number>[];
      };
      expect(predictions.map((row) => Math.fround(row['ctcvr']!))).toEqual([...expected['ctcvr']!]);
      const { inputs: columns } = (await send('/v2/models/log')) as { inputs: object[] };
      expect(columns).toEqual(
        expect.arrayContaining([
          { name: 'hist_item', datatype: 'BYTES', shape: [-1] },
          { name: 'hist_time', datatype: 'BYTES', shape: [-1] },
          { name: 'time', datatype: 'BYTES', shape: [-1] },
        ]),
      );
      const lists = some.map(withLists);
      const width = Math.max(...lists.map((row) => (row['hist_item'] as string[]).length));
      const texts = (name: string) => ({ name, shape: [8], datatype: 'BYTES', data: some.map((row) => row[name]) });
      const padded = (name: string, datatype: string, padding: string | number) => ({
        name,
        shape: [8, width],
        datatype,
        data: lists.flatMap((row) => {
          const items = row[name] as unknown[];
          return [...items, ...new Array<unknown>(width - items.length).fill(padding)];
        }),
      });
      const inputs = [
        ...['user', 'item', 'cate', 'time', 'price'].map(texts),
        padded('hist_item', 'BYTES', ''),
        padded('hist_cate', 'BYTES', ''),
        padded('hist_price', 'FP64', -1),
        padded('hist_time', 'INT64', -1),
      ];
      const { outputs } = (await send('/v2/models/log/infer', { inputs })) as {
        outputs: { name: string; data: number[] }[];
      };
      expect(Object.fromEntries(outputs.map(({ name, data }) => [name, Float32Array.from(data)]))).toEqual(expected);

      // The last price of a row becomes padding.
      const row = lists.findIndex(({ hist_price: prices }) => (prices as number[]).length > 1);
      const count = (lists[row]!['hist_price'] as number[]).length;
      const shorter = inputs.map(({ data, ...input }) =>
        input.name === 'hist_price' ? { ...input, data: data.with(row * width + count - 1, -1) } : { ...input, data },
      );
      const refused = await server.app.inject({
        method: 'POST',
        url: '/v2/models/log/infer',
        payload: { inputs: shorter },
      });
      expect(refused.statusCode).toBe(400);
      const { problems } = JSON.parse(refused.body) as { problems: readonly object[] };
      const lengths = `${count} in 'hist_item', ${count} in 'hist_cate', ${count - 1} in 'hist_price'`;
      expect(problems).toEqual([
        {
          where: `rows[${row}]`,
          key: 'column "hist_price"',
          message: expect.stringContaining(`lists of equal length, instead of ${lengths}`) as string,
          fix: 'correct the row, or set aligned: false if the lists do not belong together',
        },
      ]);
    } finally {
      await server.drain();
    }
  });

  it('is permuted as a whole', async () => {
    const { importances, proposal } = await importance({
      path: run,
      rows: 1000,
      repeats: 1,
      seed: 1,
      byGroup: false,
      dropWorst: 1,
      device: 'cpu',
      threads: 1,
      onWarning,
      signal,
    });
    expect(importances.map(({ name }) => name).sort()).toEqual(['cate', 'clicks', 'item', 'price', 'user']);
    expect(importances.find(({ name }) => name === 'clicks')!.fields).toEqual([
      'clicks.hist_item',
      'clicks.hist_cate',
      'clicks.hist_price',
      'clicks.hist_time',
      'clicks.hist_time.age',
    ]);
    expect(proposal!.leftOut).toEqual([importances.at(-1)!.name]);
  });

  it('is described with distinct numbers, and without out-of-vocabulary shares of numbers', async () => {
    const { experiment } = await loadConfig(join(folder, 'log.yaml'), []);
    const { format } = await planRows(experiment);
    const { fields, warnings } = await describeData(experiment.data, format, { signal });
    const prices = fields.find(({ name }) => name === 'clicks.hist_price')!;
    // Prices are 0.5 to 8.5.
    expect([prices.values, prices.unknown]).toEqual([9, {}]);
    expect(fields.find(({ name }) => name === 'clicks.hist_cate')!.values).toBe(7);
    expect(warnings.filter((text) => text.includes('clicks.'))).toEqual([]);
    const notices: string[] = [];
    await trainSmall(join(folder, 'log.yaml'), {
      runDir: join(folder, 'notices'),
      on: { onWarning: (text) => void notices.push(text) },
    });
    expect(notices.filter((text) => text.includes('clicks.'))).toEqual([]);
  });

  it('is exported as ONNX with the same predictions', async () => {
    const out = join(folder, 'model.onnx');
    await expectExported(run, out);
    const options = { path: run, device: 'cpu', threads: 1, onWarning, signal } as const;
    await expect(exportModel({ ...options, out, spec: formatSpec('onnx', { withEncoders: true }) })).rejects.toThrow(
      "field 'clicks.hist_item': contains the items of a sequence, which ONNX operators cannot select from lists",
    );
    const path = join(folder, 'model.safetensors');
    await exportModel({ ...options, out: path, spec: formatSpec('safetensors', {}) });
    const fields = readFields(path);
    expect(fields.find(({ name }) => name === 'clicks.hist_cate')).toMatchObject({
      kind: 'item',
      table: 'cate',
      target: 'cate',
      width: 6,
      rows: 8,
      sequence: { name: 'clicks', offsets: 'clicks.hist_item', maxItems: 6 },
    });
    expect(fields.find(({ name }) => name === 'clicks.hist_price')).toMatchObject({ kind: 'itemNumber' });
  });

  it('starts another run with its tables, vocabularies and encoders', async () => {
    const rates = ['dense', 'embeddings'].map((part) => `training.optimizer.${part}.learningRate=1e-10`);
    const runDir = join(folder, 'warm');
    await trainSmall(join(folder, 'log.yaml'), { runDir, set: [`initFrom.checkpoint=${run}`, ...rates] });
    const [before, after] = await Promise.all(
      [run, runDir].map((each) => readCheckpoint(join(each, 'checkpoints', 'best'), { withOptimizer: true })),
    );
    const trained = [...before!.program.weights].filter(([name]) => !name.includes('running'));
    expect(trained.map(([name]) => name)).toEqual(
      expect.arrayContaining([
        'embeddings.clicks.hist_time',
        'clicks.0.target-attention.attention.out.weight',
        'clicks.1.hstu.blocks.0.attention.bias',
      ]),
    );
    for (const [name, { data }] of trained)
      for (const [i, value] of after!.program.weights.get(name)!.data.entries())
        expect(value, name).toBeCloseTo(data[i]!, 5);
  });

  it('is bitwise identical on 1 to 3 threads, and after a stop at any step', async () => {
    const config = join(folder, 'log.yaml');
    const expected = await readCheckpoint(join(run, 'checkpoints', 'best'), { withOptimizer: true });
    const runs = [2, 3].map((threads) => ({ runDir: join(folder, `threads-${threads}`), threads }));
    for (const options of runs) await trainSmall(config, options);
    const stopped = join(folder, 'stopped');
    await trainSmall(config, { runDir: stopped, ...abortAtStep(7) });
    await trainSmall(config, { resume: stopped });
    for (const runDir of [...runs.map((each) => each.runDir), stopped]) {
      const { program } = await readCheckpoint(join(runDir, 'checkpoints', 'best'), { withOptimizer: true });
      for (const kind of ['weights', 'optimizer'] as const)
        for (const [name, { data }] of expected.program[kind])
          expect(program[kind].get(name)!.data, `${runDir} ${name}`).toEqual(data);
    }
  });
});
