/** @module-tag long */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HISTORY_CONFIG, historyRecords, writeHistoryStream } from '../support/history-stream.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

/** The header of a safetensors file. */
type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

const COUNTED = HISTORY_CONFIG.replace(
  'features:',
  '  counters: { time: at, format: seconds, tolerance: 50s, count: { seen: { by: item, within: 60s } } }\nfeatures:\n' +
    '  seen: { type: numeric, fields: [seen] }',
).replace('checkpoints: { everySteps: 20, delta: { everySteps: 3 } }', 'checkpoints: { everySteps: 5 }');
/** Files of which each tensor is changed in turn. */
const FILES = ['histories', 'counters', 'window', 'weights', 'optimizer'];

let world: string;
let config: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-named-tensors-'));
  config = writeHistoryStream(world, COUNTED, historyRecords(900));
  await trainSmall(config, { runDir: join(world, 'run'), follow: true, untilEnd: true });
}, 60_000);
afterAll(() => rmSync(world, { recursive: true, force: true }));

function readHeader(path: string): { readonly header: Header; readonly data: Buffer } {
  const bytes = readFileSync(path);
  const end = 8 + Number(bytes.readBigUInt64LE());
  return { header: JSON.parse(bytes.toString('utf8', 8, end)) as Header, data: bytes.subarray(end) };
}

/** Copies the run, with another header of a file of its last checkpoint and a manifest that matches. */
function copyWith(file: string, header: Header): string {
  const run = join(scratchFolder(), 'run');
  cpSync(join(world, 'run'), run, { recursive: true, verbatimSymlinks: true });
  const folder = realpathSync(join(run, 'checkpoints', 'last'));
  const { data } = readHeader(join(folder, file));
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const changed = Buffer.concat([length, text, data]);
  writeFileSync(join(folder, file), changed);
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as { files: Record<string, object> };
  manifest.files[file] = { bytes: changed.length, sha256: createHash('sha256').update(changed).digest('hex') };
  writeFileSync(path, JSON.stringify(manifest));
  // A resume would use an earlier checkpoint.
  for (const name of readdirSync(join(run, 'checkpoints')))
    if (name.startsWith('step-') && !folder.endsWith(name)) rmSync(join(run, 'checkpoints', name), { recursive: true });
  return run;
}

const CHANGES: Readonly<Record<string, (header: Header, name: string) => Header>> = {
  renamed: (header, name) =>
    Object.fromEntries(Object.entries(header).map(([key, entry]) => [key === name ? `${name}x` : key, entry])),
  reshaped: (header, name) => ({ ...header, [name]: { ...header[name]!, shape: [...header[name]!.shape, 1, 1] } }),
  retyped: (header, name) => ({
    ...header,
    [name]: {
      ...header[name]!,
      dtype: { F32: 'I32', U32: 'F32', F64: 'I64', U8: 'I8' }[header[name]!.dtype] ?? 'I32',
    },
  }),
};

it.each(FILES.flatMap((file) => Object.keys(CHANGES).map((change) => [file, change] as const)))(
  'a checkpoint whose %s have a %s tensor is an error that names the file and the tensor',
  { timeout: 240_000 },
  async (name, change) => {
    const file = `${name}.safetensors`;
    const path = join(world, 'run', 'checkpoints', 'last', file);
    const { header } = readHeader(path);
    for (const tensor of Object.keys(header).filter((key) => key !== '__metadata__')) {
      // A checkpoint may lack it.
      if (change === 'renamed' && tensor.endsWith('.ahead')) continue;
      const run = copyWith(file, CHANGES[change]!(header, tensor));
      const resumed = trainSmall(config, { resume: run, follow: true, untilEnd: true }).then(
        () => new Error('resumed'),
        (error: unknown) => error as Error,
      );
      const error = (await resumed) as { readonly exitCode?: number; readonly message: string };
      const found = { tensor, code: error.exitCode, message: error.message };
      expect(found).toMatchObject({ tensor, code: 4 });
      expect(found.message).toContain(file);
      // A renamed column of texts is an error of the tensors that its new name lacks.
      expect(found.message).toContain(
        tensor
          .replace(/\.(bytes|offsets)$/, '')
          .split('.')
          .at(-1),
      );
    }
  },
);
