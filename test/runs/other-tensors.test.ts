import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from '../../src/export.js';
import { formatSpec } from '../../src/export/formats.js';
import { readTrainedModel } from '../../src/trained-model/trained-model.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

/** The header of a safetensors file. */
type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

const TENSOR = 'embeddings.205';
let world: string;
let checkpoint: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-other-tensors-'));
  await smallWorld(world);
  await trainSmall(join(world, 'esmm.yaml'), { runDir: join(world, 'run'), set: ['training.epochs=1'] });
  checkpoint = join(world, 'run', 'checkpoints', 'last');
}, 60_000);
afterAll(() => rmSync(world, { recursive: true, force: true }));

/** A copy of the run whose weights have another header, under a manifest that says so. */
function runWith(change: (header: Header) => Header): string {
  const run = join(scratchFolder(), 'run');
  cpSync(join(world, 'run'), run, { recursive: true, verbatimSymlinks: true });
  const folder = join(run, 'checkpoints', 'last');
  const path = join(folder, 'weights.safetensors');
  const bytes = readFileSync(path);
  const headerBytes = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Header;
  const text = Buffer.from(JSON.stringify(change(header)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const changed = Buffer.concat([length, text, bytes.subarray(8 + headerBytes)]);
  writeFileSync(path, changed);
  const manifestPath = join(folder, 'manifest.json');
  const manifest = JSON.parse(readFileSync(manifestPath, 'utf8')) as { files: Record<string, object> };
  manifest.files['weights.safetensors'] = {
    bytes: changed.length,
    sha256: createHash('sha256').update(changed).digest('hex'),
  };
  writeFileSync(manifestPath, JSON.stringify(manifest));
  return run;
}

const renamed = (header: Header): Header =>
  Object.fromEntries(
    Object.entries(header).map(([name, entry]) => [name === TENSOR ? 'embeddings.other' : name, entry]),
  );
const withTensor = (header: Header, name: string, entry: Partial<Header[string]>): Header => ({
  ...header,
  [name]: { ...header[name]!, ...entry },
});

describe('a checkpoint with a valid manifest and tensors of another model', () => {
  it('is valid without changes', async () => {
    expect((await readTrainedModel(checkpoint)).checkpoint.program.weights.has(TENSOR)).toBe(true);
    expect(
      (
        await readTrainedModel(
          join(
            runWith((header) => header),
            'checkpoints',
            'last',
          ),
        )
      ).checkpoint.program.weights.has(TENSOR),
    ).toBe(true);
  });

  it.each<[string, (header: Header) => Header, string]>([
    ['a renamed tensor', renamed, `${TENSOR}: is in the model, but not in the checkpoint`],
    [
      'a tensor too many',
      (header) => withTensor(header, 'embeddings.other', { dtype: 'F32', shape: [0], data_offsets: [0, 0] }),
      'embeddings.other: is in the checkpoint, but not in the model',
    ],
    [
      'a tensor of another shape',
      (header) => withTensor(header, TENSOR, { shape: header[TENSOR]!.shape.toReversed() }),
      `${TENSOR}: expected shape [`,
    ],
    [
      'a tensor of another type',
      (header) => withTensor(header, TENSOR, { dtype: 'I32' }),
      `${TENSOR}: expected elements of type F32`,
    ],
  ])('with %s is an error that names the file and the tensor', async (_, change, message) => {
    const folder = join(runWith(change), 'checkpoints', 'last');
    await expect(readTrainedModel(folder)).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining(`weights.safetensors: ${message}`) as string,
    });
  });

  it.each<[string, (folder: string) => Promise<unknown>]>([
    ...['safetensors', 'onnx', 'embeddings'].map((format): [string, (folder: string) => Promise<unknown>] => [
      `an export to ${format}`,
      (folder) =>
        exportModel({
          path: folder,
          spec: formatSpec(format, {}),
          out: join(scratchFolder(), `model${{ safetensors: '.safetensors', onnx: '.onnx' }[format] ?? ''}`),
          device: 'cpu',
          threads: 1,
          onWarning: () => undefined,
          signal: new AbortController().signal,
        }),
    ]),
    ['a model that is served', (folder) => loadModel(folder)],
    [
      'a warm start',
      (folder) =>
        trainSmall(join(world, 'esmm.yaml'), {
          runDir: join(scratchFolder(), 'next'),
          set: [`initFrom.checkpoint=${folder}`],
        }),
    ],
    [
      'a resumed run',
      (folder) =>
        trainSmall(join(world, 'esmm.yaml'), { resume: join(folder, '..', '..'), set: ['training.epochs=2'] }),
    ],
  ])('is rejected by %s', async (_, use) => {
    await expect(use(join(runWith(renamed), 'checkpoints', 'last'))).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining(`${TENSOR}: is in the model, but not in the checkpoint`) as string,
    });
  });
});

describe('a checkpoint with a damaged optimizer.safetensors', () => {
  const damagedRun = (): string => {
    const run = join(scratchFolder(), 'run');
    cpSync(join(world, 'run'), run, { recursive: true, verbatimSymlinks: true });
    for (const name of readdirSync(join(run, 'checkpoints')).filter((each) => each.startsWith('step-')))
      truncateSync(join(run, 'checkpoints', name, 'optimizer.safetensors'), 100);
    return run;
  };

  it('is readable without the optimizer state', async () => {
    const run = damagedRun();
    expect((await readTrainedModel(run)).checkpoint.program.optimizer.size).toBe(0);
    (await loadModel(run)).dispose();
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: join(scratchFolder(), 'next'),
      set: [`initFrom.checkpoint=${run}`, 'initFrom.optimizer=reset', 'training.epochs=1'],
    });
  });

  it.each<[string, (run: string) => Promise<unknown>]>([
    [
      'a warm start that keeps its state',
      (run) =>
        trainSmall(join(world, 'esmm.yaml'), {
          runDir: join(scratchFolder(), 'next'),
          set: [`initFrom.checkpoint=${run}`],
        }),
    ],
    ['a resumed run', (run) => trainSmall(join(world, 'esmm.yaml'), { resume: run, set: ['training.epochs=2'] })],
  ])('is rejected by %s', async (_, use) => {
    await expect(use(damagedRun())).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringMatching(/expected \d+ bytes as in the manifest; the file has 100/) as string,
    });
  });
});
