/** @module-tag long */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { listPredictedOutputs, combinePredictions } from '../../src/evaluation/outputs.js';
import { exportModel, exportedModel, type ExportOptions, type ExportResult } from '../../src/export.js';
import { formats, formatSpec } from '../../src/export/formats.js';
import { onnxExporter } from '../../src/export/onnx.js';
import { manifestDigest } from '../../src/runs/manifest.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { compileTrained, readTrainedModel, type TrainedModel } from '../../src/trained-model/trained-model.js';
import { expectNear, feedsOf, runOnnx } from '../support/onnx.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';
import { testBatch } from '../support/test-batch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

const disk = await vi.hoisted(async () => (await import('../support/failing-disk.js')).createFailingDisk());
vi.mock('node:fs/promises', async (original) => disk.over(await original()));
vi.mock('node:fs', async (original) => disk.overSync(await original()));
afterEach(() => disk.reset());

/** A run with fields of every kind, shared by all tests. */
let [folder, run] = ['', ''];
let model: TrainedModel;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-export-'));
  run = join(folder, 'run');
  await smallWorld(folder);
  const set = [
    'training.epochs=1',
    'features.user.width=32',
    'features.price={type: numeric, fields: [D508, D853], scaling: standard}',
    'features.bucket={type: bucketized, fields: [D109_14], quantiles: 4, width: 3}',
    'features.pair={type: cross, fields: [[101, 206]], buckets: 50, width: 3}',
  ];
  await trainSmall(join(folder, 'mmoe.yaml'), { runDir: run, set });
  model = await readTrainedModel(run);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const exportTo = (
  format: string,
  out: string,
  asked: Readonly<Record<string, unknown>> = {},
  on: Partial<ExportOptions> = {},
): Promise<ExportResult> =>
  exportModel({
    path: run,
    spec: formatSpec(format, asked),
    out,
    device: 'cpu',
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
    ...on,
  });

/** Predicts every output with the engine. */
async function predicted(): Promise<ReadonlyMap<string, Float32Array>> {
  const program = compileTrained(model, createCpuEngine(), () => undefined);
  const batch = await testBatch(model);
  const byTask = await program.predict(batch);
  program.dispose();
  return new Map(
    listPredictedOutputs(model.outputs).map((output) => [output.name, combinePredictions(output, byTask, batch.rows)]),
  );
}

describe('mtl export --format onnx', () => {
  it('writes a file that predicts like the engine, with its origin', async () => {
    const out = join(scratchFolder(), 'deep', 'model.onnx');
    const { files, bytes, measured } = await exportTo('onnx', out);
    expect([files, bytes, measured]).toEqual([[out], statSync(out).size, undefined]);
    const session = await InferenceSession.create(out);
    expectNear(await runOnnx(session, feedsOf(await testBatch(model))), await predicted());
    const text = readFileSync(out, 'latin1');
    for (const told of [
      await manifestDigest(model.folder),
      '"name":"D508","columns":["D508"]',
      '"factors":["ctr","cvr"]',
    ])
      expect(text).toContain(told);
    expect(readdirSync(join(out, '..'))).toEqual(['model.onnx']);
  });

  it('with int8 is smaller, predicts similarly and reports the AUC loss', async () => {
    const out = join(scratchFolder(), 'model.onnx');
    const whole = await exportTo('onnx', out);
    const { bytes, measured } = await exportTo('onnx', out, { quantize: 'int8' });
    expect(bytes).toBeLessThan(whole.bytes);
    const found = await runOnnx(await InferenceSession.create(out), feedsOf(await testBatch(model)));
    expectNear(found, await predicted(), 0.01);
    for (const split of ['valid', 'test']) {
      const [exact, exported] = [measured!.exact[split]!['ctr']!, measured!.exported[split]!['ctr']!];
      // A few rows may have the same order.
      expect(exported['logLoss']).not.toBe(exact['logLoss']);
      expect(exported['auc']).toBeCloseTo(exact['auc'] as number, 2);
    }
  });

  it('with int8 exports with a warning if the AUC loss cannot be measured', async () => {
    const out = join(scratchFolder(), 'model.onnx');
    const notices: string[] = [];
    const gone = join(folder, 'test.csv');
    const text = readFileSync(gone);
    rmSync(gone);
    const { files, measured } = await exportTo(
      'onnx',
      out,
      { quantize: 'int8' },
      { onWarning: (notice) => notices.push(notice) },
    ).finally(() => writeFileSync(gone, text));
    expect([files, measured]).toEqual([[out], undefined]);
    expect(notices.join()).toMatch(/cannot measure the AUC of the exported model: .*test\.csv/);
  });

  it('stores tables in a separate file beyond the limit of protobuf', async () => {
    const out = join(scratchFolder(), 'model.onnx');
    const exporter = onnxExporter(await exportedModel(model), out, { bags: 'offsets', maxFileBytes: 20_000 });
    const files = await exporter.write();
    expect(files).toHaveLength(2);
    expect(files.reduce((sum, file) => sum + statSync(file).size, 0)).toBe(exporter.bytes);
    expect(statSync(out).size).toBeLessThan(20_000);
    expectNear(await runOnnx(await InferenceSession.create(out), feedsOf(await testBatch(model))), await predicted());
  });

  it('is rejected if the graph alone exceeds the limit', async () => {
    const exported = await exportedModel(model);
    expect(() => onnxExporter(exported, 'model.onnx', { bags: 'offsets', maxFileBytes: 1000 })).toThrow(
      /the graph requires \d+ kB besides its tables, but an ONNX file can have at most 1 kB/,
    );
  });

  it('passes the ONNX checker with inferred shapes', async (context) => {
    needsPython(context, 'onnx');
    const cwd = scratchFolder();
    for (const [i, asked] of [{}, { quantize: 'int8' }, { bags: 'padded' }].entries())
      await exportTo('onnx', join(cwd, `${i}.onnx`), asked);
    expect(
      python(
        cwd,
        "import onnx\nfor i in range(3): onnx.checker.check_model(f'{i}.onnx', full_check=True)\nprint('checked')",
      ),
    ).toBe('checked\n');
  });
});

describe('mtl export --format safetensors', () => {
  it('writes every tensor of the checkpoint, bitwise identical', async () => {
    const out = join(scratchFolder(), 'model.safetensors');
    await exportTo('safetensors', out);
    const tensors = await readSafetensors(out);
    const { weights } = model.checkpoint.program;
    expect(weights.size).toBeGreaterThan(20);
    for (const [name, { shape, data }] of weights) expect(tensors.get(name), name).toEqual({ shape, data });
  });
});

describe('mtl export', () => {
  it.each([
    ['onx', {}, '--format: expected one of embeddings, onnx, safetensors, found "onx"; did you mean \'onnx\'?'],
    [
      'embeddings',
      { bags: 'padded' },
      '--bags: is an option of onnx, not of embeddings; remove it, or use the other format',
    ],
    ['embeddings', { files: 'tsv' }, '--files: expected "both" or "parquet" or "projector", found "tsv"'],
    ['onnx', { bags: 'pad' }, '--bags: expected "offsets" or "padded", found "pad"'],
    ['onnx', { quantize: 'int4' }, '--quantize: expected "int8", found "int4"'],
  ])('to %s with %j reports the expected value', (format, asked, message) => {
    expect(() => formatSpec(format, asked)).toThrow(message);
  });

  it.each([
    ['onnx', 'model', /--out: expected a file name that ends in \.onnx, found ".*model"; use .*model\.onnx/],
    [
      'safetensors',
      'model',
      /expected a file name that ends in \.safetensors, found ".*model"; use .*model\.safetensors/,
    ],
    ['onnx', 'model.pb', /found ".*model\.pb"; use .*model\.onnx/],
    ['onnx', '', /expected a file, not a directory, found ".*"; use .*model\.onnx/],
    [
      'embeddings',
      'tables.parquet',
      /expected a directory, since embeddings has several files, found ".*"; use .*tables$/,
    ],
    ['embeddings', 'file', /expected a directory, not an existing file/],
  ])('to %s rejects %j as a path, with the fix', async (format, name, message) => {
    const place = scratchFolder();
    writeFileSync(join(place, 'file'), '');
    await expect(exportTo(format, join(place, name))).rejects.toThrow(message);
  });

  it('is rejected before writing if the disk is too small', async () => {
    const out = join(scratchFolder(), 'model.onnx');
    disk.freeBytes = 1000;
    await expect(exportTo('onnx', out)).rejects.toThrow(
      /the export requires [\d.]+ .B, but only 1 kB are free on this disk; free disk space/,
    );
    expect(readdirSync(join(out, '..'))).toEqual([]);
  });

  it.each(formats.names)(
    'to %s leaves the previous or the new export complete after any disk failure',
    async (format) => {
      const place = scratchFolder();
      const out = join(place, 'model');
      const exporter = formats.build(formatSpec(format, {}), await exportedModel(model), out);
      await exporter.write();
      const whole = contentOf(out);
      const isOfExport = ({ path }: { path: string }): boolean => path.startsWith(place);
      const numOperations = disk.operations.filter(isOfExport).length;
      expect(numOperations).toBeGreaterThan(4);
      for (const fate of ['dies within', 'dies after', { code: 'ENOSPC' }] as const) {
        for (let at = 1; at <= numOperations; at++) {
          disk.reset();
          rmSync(out, { recursive: true, force: true });
          disk.fate = (operation) =>
            isOfExport(operation) && disk.operations.filter(isOfExport).length === at ? fate : 'done';
          await expect(exporter.write()).rejects.toThrow(/cannot be written/);
          if (existsSync(out)) expect(contentOf(out)).toEqual(whole);
        }
      }
    },
  );
});

/** Reads a file, or all files of a directory. */
function contentOf(path: string): object {
  return statSync(path).isDirectory()
    ? Object.fromEntries(readdirSync(path).map((name) => [name, contentOf(join(path, name))]))
    : { bytes: readFileSync(path, 'base64') };
}
