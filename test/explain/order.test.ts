/** @module-tag long */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { explain } from '../../src/explain.js';
import { itemColumns } from '../../src/explain/order.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const DAY = 86_400;
/** Ages of events in seconds, and their texts. */
const AGES = [
  [5, '5.0 s'],
  [59 * 60 + 9, '59 min 09 s'],
  [3600, '1 h 00 min'],
  [DAY - 60, '23 h 59 min'],
  [DAY, '1 d 0 h'],
  [3 * DAY + 4 * 3600 + 3599, '3 d 4 h'],
  [400 * DAY + 23 * 3600, '400 d 23 h'],
] as const;

/** Explains a row whose user has events of these ages, and a request at `now`. */
async function explainAges(now: number, toText: (time: number) => string) {
  const folder = scratchFolder();
  const events = AGES.map(([age], i) => `u,${toText(now - age)},i${i % 3}`);
  writeFileSync(join(folder, 'events.csv'), ['user,t,item', ...events, ''].join('\n'));
  const rows = Array.from({ length: 40 }, (_, r) => `${r % 2},u,i${r % 3},${toText(now)}`);
  writeFileSync(join(folder, 'train.csv'), ['click,user,item,now', ...rows, ''].join('\n'));
  writeFileSync(
    join(folder, 'c.yaml'),
    `data:
  train: train.csv
  valid: train.csv
  sequences: { log: { file: events.csv, key: user, time: t, until: now } }
features:
  ids: { type: categorical, fields: [item], width: 4, encoding: tokens }
  clicks:
    type: sequence
    fields: [{ name: log.item, target: item }, { name: log.t, as: age, until: now, buckets: log, width: 4 }]
    encoder: target-attention
tasks: { ctr: { label: click } }
model: { name: single-task, tower: { hidden: [4] } }
training: { epochs: 1 }
`,
  );
  const runDir = join(folder, 'run');
  await trainSmall(join(folder, 'c.yaml'), { runDir });
  const { signal } = new AbortController();
  const { sequences } = await explain({ path: runDir, row: 1, onWarning: () => undefined, signal });
  const [sequence] = sequences;
  const { header, cells } = itemColumns(sequence!);
  const column = header.indexOf('log.t');
  return {
    shown: sequence!.items.map((item) => cells(item)[column]!),
    values: sequence!.items.map(({ values }) => values['log.t']),
  };
}

describe('the ages of events', () => {
  const raw = AGES.map(([age]) => String(age));

  it.each<[string, (time: number) => string]>([
    ['dates', (time) => new Date(1000 * time).toISOString()],
    ['Unix seconds', String],
  ])('are shown as durations if times are %s, and are numbers as data', async (_, toText) => {
    const { shown, values } = await explainAges(1_700_000_000, toText);
    expect(shown).toEqual(AGES.map(([, text]) => text));
    expect(values).toEqual(raw);
  });

  it('are shown as they are if times have another unit', async () => {
    const { shown } = await explainAges(90_000_000, String);
    expect(shown).toEqual(raw);
  });
});
