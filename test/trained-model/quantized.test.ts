import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { ProgramState } from '../../src/engines/engine.js';
import { evaluate } from '../../src/evaluate.js';
import { loadModel, UserError, type Model, type Row } from '../../src/index.js';
import { countRowWords } from '../../src/tables/row-formats.js';
import { compileTrained, readTrainedModel } from '../../src/trained-model/trained-model.js';
import { ADDON } from '../support/native.js';
import { servedWorld, startServer } from '../support/served.js';
import { createTfjsEngine } from '../support/tfjs.js';

const FORMATS = ['fp16', 'int8'] as const;
const KERNELS = ADDON.families.length > 0 ? (['wasm', 'native'] as const) : (['wasm'] as const);
/** Widths that end within words, vectors and blocks of columns. */
const CONFIG = `
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  user: { type: categorical, fields: [101, 121], width: 5 }
  item: { type: categorical, fields: [205], width: 16, encoding: { name: tokens } }
  history: { type: bag, fields: [109_14], width: 71 }
  brand: { type: bag, fields: ['853'], width: 1 }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } }
training: { epochs: 1, batchSize: 64 }
`;
/** Bytes of a row by width. */
const BYTES = {
  fp16: { 1: 4, 5: 12, 16: 32, 71: 144 },
  int8: { 1: 4, 5: 12, 16: 20, 71: 76 },
} as const;
const folder = mkdtempSync(join(tmpdir(), 'mtl-quantized-'));
const run = join(folder, 'run');
let rows: Row[];
beforeAll(async () => {
  ({ rows } = await servedWorld(folder, CONFIG));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Returns the values of the rows of a quantized table, by the definitions of the formats. */
function dequantize(format: 'fp16' | 'int8', data: Float32Array, numRows: number, width: number): Float32Array {
  const words = countRowWords(format, width);
  if (words === width) return data.slice();
  const values = Float32Array.from({ length: numRows * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    const at = data.byteOffset + 4 * row * words;
    const memory = new DataView(data.buffer);
    if (format === 'int8') return memory.getFloat32(at, true) * memory.getInt8(at + 4 + column);
    const bits = memory.getUint16(at + 2 * column, true);
    const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023];
    const magnitude = exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15);
    return bits >> 15 === 0 ? magnitude : -magnitude;
  });
  return values;
}

const predictAll = (model: Model): unknown => {
  const predictions = model.predict(rows);
  model.dispose();
  return predictions;
};

describe.each(FORMATS)('a trained model with %s tables', (tables) => {
  it('predicts as one whose tables have the dequantized values, bitwise, in all kernels and memories', async () => {
    const exact = await readTrainedModel(run);
    const quantized = await readTrainedModel(run, { tables });
    const weights: ProgramState['weights'] = new Map(
      Array.from(quantized.checkpoint.program.weights, ([name, tensor]) => {
        const [numRows, width] = tensor.shape as [number, number];
        if (!name.startsWith('embeddings.')) return [name, tensor] as const;
        return [name, { shape: tensor.shape, data: dequantize(tables, tensor.data, numRows, width) }] as const;
      }),
    );
    const { format } = exact;
    const { ObjectReader } = await import('../../src/data/objects/object-reader.js');
    const { rowsOfObjects } = await import('../../src/data/objects/given-rows.js');
    const reader = new ObjectReader(format.fields, undefined);
    const [{ batch }] = reader.read(rowsOfObjects(rows)).batches as readonly [{ readonly batch: never }];
    const program = { ...exact.checkpoint.program, weights };
    const dequantized = { ...exact, checkpoint: { ...exact.checkpoint, program } };
    const predict = async (model: typeof exact, kernels: 'wasm' | 'native', tableBytes?: number): Promise<unknown> => {
      const engine = createCpuEngine(1, true, tableBytes === undefined ? {} : { tableBytes }, kernels);
      const compiled = compileTrained(model, engine, () => undefined);
      const predictions = await compiled.predict(batch);
      compiled.dispose();
      return predictions;
    };
    const expected = await predict(dequantized, 'wasm');
    for (const kernels of KERNELS)
      for (const tableBytes of [undefined, 0])
        expect(await predict(quantized, kernels, tableBytes), kernels).toEqual(expected);
    expect(await predict(exact, 'wasm')).not.toEqual(expected);
  });

  it('has tables of as many bytes as their rows in that format', async () => {
    const { checkpoint, layout } = await readTrainedModel(run, { tables });
    for (const { name, rows: numRows, width } of layout.tables) {
      const bytes = BYTES[tables][width as 1 | 5 | 16 | 71];
      expect(checkpoint.program.weights.get(`embeddings.${name}`)!.data.byteLength, name).toBe(numRows * bytes);
    }
  });

  it('is served with the predictions of loadModel, by all threads', async () => {
    const server = await startServer({ paths: [run], tables, workers: 2 });
    const given = rows.slice(0, 20);
    const { body } = await server.app.inject({ method: 'POST', url: '/predict', payload: { rows: given } });
    const { predictions } = JSON.parse(body) as { predictions: readonly Readonly<Record<string, number>>[] };
    const model = await loadModel(run, { tables });
    const expected = model.predict(given);
    model.dispose();
    for (const [output, values] of Object.entries(expected))
      expect(predictions.map((each) => Math.fround(each[output]!))).toEqual([...values]);
  });

  it('is compared with f32 by eval: metrics, and the largest difference of a prediction', async () => {
    const options = {
      onWarning: () => undefined,
      signal: new AbortController().signal,
      device: 'cpu',
      threads: 1,
    } as const;
    const { metrics, quantized } = await evaluate({ path: run, tables, ...options });
    const { metrics: before, ...rest } = await evaluate({ path: run, ...options });
    expect(metrics).toEqual(before);
    expect(rest).not.toHaveProperty('quantized');
    expect(quantized!.tables).toBe(tables);
    expect(quantized!.metrics).not.toEqual(metrics);
    const [exact, rounded] = [await loadModel(run), await loadModel(run, { tables })].map((model) => {
      const { ctr } = model.predict(rows);
      model.dispose();
      return ctr!;
    });
    const differences = exact!.map((value, row) => Math.abs(value - rounded![row]!));
    expect(quantized!.largestDifferences['test']!['ctr']).toBeCloseTo(Math.max(...differences), 7);
    expect(quantized!.largestDifferences['test']!['ctr']).toBeGreaterThan(0);
  });

  it('is refused by an engine without such tables', async () => {
    const engine = await createTfjsEngine();
    const compile = async (): Promise<unknown> =>
      compileTrained(await readTrainedModel(run, { tables }), engine, () => undefined);
    await expect(compile()).rejects.toThrow(UserError);
    await expect(compile()).rejects.toThrow(/use f32, or the CPU/);
  });
});

it('predicts with loadModel as before by default', async () => {
  expect(predictAll(await loadModel(run, { tables: 'f32' }))).toEqual(predictAll(await loadModel(run)));
});
