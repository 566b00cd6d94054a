import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../src/core/random.js';
import { storedFitted } from '../../src/features/fitted.js';
import type { Checkpoint } from '../../src/runs/checkpoint.js';

/** Rows of a CSV file whose items come and go: each is in 75 consecutive rows at most. */
export function growingRows(first: number, count: number, newest = Infinity): string {
  const random = randomStream(9, 'rows', first);
  const item = (i: number): string => `item-${Math.min(newest, Math.floor((first + i) / 3) + random.below(25))}`;
  const rows = Array.from({ length: count }, (_, i) => {
    const seen = Array.from({ length: random.below(4) }, () => item(i)).join('|');
    return `${random.below(20) === 0 ? '' : item(i)},${seen},${random.below(30)},${random.below(3) === 0 ? 1 : 0}`;
  });
  return `item,seen,user,click\n${rows.join('\n')}\n`;
}

/** Encoding of items as tokens of a vocabulary that grows. */
export const GROWING = 'capacity: 45, admit: { count: 2, pending: 8 }, expire: { unseen: 6h }';

/** Writes a config that is fitted on `fit.csv`; returns its path. */
export function writeGrowingConfig(folder: string, name: string, encoding: string, checkpoints: string): string {
  const path = join(folder, `${name}.yaml`);
  writeFileSync(
    path,
    `seed: 5
data: { train: fit.csv }
features:
  item: { type: categorical, fields: [item], width: 32, encoding: { name: tokens, ${encoding} } }
  seen: { type: bag, fields: [seen], table: item }
  user: { type: categorical, fields: [user], width: 4, encoding: { name: hash, buckets: 3000 } }
tasks: { ctr: { label: click } }
model: { name: mmoe, wide: true, experts: { count: 2, hidden: [4] }, tower: { hidden: [4] } }
training: { batchSize: 16 }
checkpoints: { ${checkpoints} }
`,
  );
  return path;
}

/** Returns the bytes of the tensors of a program, and what was fitted, to compare them. */
export function contentOf({ program, fitted }: Pick<Checkpoint, 'program' | 'fitted'>): unknown {
  const bytes = ({ data }: { readonly data: Float32Array }): string =>
    Buffer.from(Float32Array.from(data).buffer).toString('base64');
  const tensors = [...program.weights, ...program.optimizer].map(([name, tensor]) => [
    name,
    tensor.shape,
    bytes(tensor),
  ]);
  // Short vocabularies are lists in a file.
  const { json, tensors: arrays } = storedFitted(fitted);
  return { step: program.step, tensors, json, arrays: [...arrays].map(([name, { data }]) => [name, [...data]]) };
}
