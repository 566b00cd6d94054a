import { join } from 'node:path';
import { csvText } from '../text/csv-text.js';
import { replace, writeFileAtomic } from '../io/disk.js';
import { writeSafetensors } from '../io/safetensors.js';
import type { FieldPlan } from './fields.js';
import type { Reject } from './parse.js';
import type { Summary } from './summary.js';
import type { Vocabulary } from './vocabulary.js';
import { SUMMARY } from './work.js';

/** Batch size, if there are enough rows. */
const BATCH_ROWS = 4096;
const SMALL_BATCH_ROWS = 256;

/**
 * Writes the files next to the shards: `vocabulary.safetensors` (the raw id of each id, one tensor per field),
 * `config.yaml`, `rejects.csv` if there are invalid rows, and last `summary.json`.
 * @throws UserError (disk)
 */
export async function writeResults(
  out: string,
  fields: readonly FieldPlan[],
  vocabularies: readonly Vocabulary[],
  rejects: readonly Reject[],
  summary: Summary,
): Promise<void> {
  const tensors = new Map(vocabularies.map(({ ids }, f) => [fields[f]!.name, { shape: [ids.length], data: ids }]));
  await replace(join(out, 'vocabulary.safetensors'), async (path) => {
    await writeSafetensors(path, tensors);
  });
  await writeFileAtomic(join(out, 'config.yaml'), formatConfig(fields, summary));
  if (rejects.length > 0) {
    const rows = rejects.map(({ path, line, expected, found, text }) => [
      path,
      line,
      `expected ${expected}`,
      found,
      text,
    ]);
    await writeFileAtomic(join(out, 'rejects.csv'), csvText([['file', 'line', 'reason', 'found', 'row'], ...rows]));
  }
  await writeFileAtomic(join(out, SUMMARY), `${JSON.stringify(summary, null, 1)}\n`);
}

/** Returns a config that trains ESMM on all prepared fields. */
function formatConfig(fields: readonly FieldPlan[], { splits }: Summary): string {
  const list = (names: readonly string[]): string => `[${names.join(', ')}]`;
  const names = (isBag: boolean): string =>
    list(fields.filter((field) => field.isBag === isBag).map(({ name }) => name));
  const rows = (split: string): number => splits[split]?.rows ?? 0;
  const used = ['train', 'valid', 'test'].filter((split) => rows(split) > 0);
  const sizes = used.map((split) => `${rows(split)} rows of ${split}`).join(', ');
  return `# ESMM on Ali-CCP, as prepared in this directory: ${sizes}.
# summary.json describes each field; entry i of a field in vocabulary.safetensors is the raw id of id i.

name: esmm-ali-ccp

data:
${used.map((split) => `  ${split}: ${split}\n`).join('')}
features:
  ids:
    type: categorical
    fields: ${names(false)}
    width: 16
  bags:
    type: bag
    fields: ${names(true)}
    width: 16
  numbers:
    type: numeric
    fields: ${list(fields.flatMap(({ number }) => number ?? []))}

tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }

model:
  name: esmm
  ctrTower: { hidden: [16, 8] }
  cvrTower: { hidden: [16, 8] }

training:
  epochs: 1
  batchSize: ${rows('train') >= 100 * BATCH_ROWS ? BATCH_ROWS : SMALL_BATCH_ROWS}
${rows('valid') > 0 ? '  monitor: ctr.auc\n' : ''}`;
}
