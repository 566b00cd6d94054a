import { describe, expect, it } from 'vitest';
import { taskOptions } from '../../src/core/tasks.js';
import { sequencesOptions } from '../../src/data/sequence-options.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { columnsOf, encodedFormat, rowFormatOf, type RowFormat } from '../../src/data/rows/row-format.js';
import { withEventLogs } from '../../src/data/sources/event-logs.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { storedFitted } from '../../src/features/fitted.js';
import { drawEvents, drawRequests, eventCsv, joinedCsv, requestCsv } from '../support/event-log.js';
import { scratchFile } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];

/** Features that read the items of an event log, or lists of the same names. */
function formatOf(last = 5): RowFormat {
  const groups = [
    { type: 'categorical', fields: ['item'], encoding: 'tokens' },
    {
      type: 'sequence',
      name: 'log',
      fields: [
        { name: 'log.item', target: 'item' },
        { name: 'log.price', scaling: 'standard' },
        { name: 'log.t', as: 'age', until: 'now' },
      ],
      keep: { last },
      encoder: 'pooling',
    },
    {
      type: 'sequence',
      name: 'own',
      fields: [
        { name: 'log.item', encoding: { name: 'tokens', minCount: 3 } },
        { name: 'log.t', as: 'age', until: 'now', buckets: 'log' },
      ],
      encoder: 'pooling',
    },
  ];
  return rowFormatOf({ tasks, groups: groups.map((group) => featureTypes.schema.parse(group)) });
}

type Options = { readonly file: string } & Readonly<Record<string, unknown>>;
const withLog = (format: RowFormat, log: Options): Promise<RowFormat> =>
  withEventLogs(format, sequencesOptions.parse({ log: { key: 'user', time: 't', until: 'now', ...log } }));

/** Fits a format on a file and reads its batches: ids and weights per row, by field. */
async function read(format: RowFormat, file: string): Promise<unknown> {
  const reading = { policy: refuseBadRows };
  const source = await openSource(file, columnsOf(format), { delimiter: ',' });
  const fitted = await source.fit(format, reading);
  const dataset = await source.dataset(encodedFormat(format, fitted), reading);
  const rows: unknown[] = [];
  for await (const { batch } of dataset.batches(7, { seed: 3, epoch: 0, window: 50 }))
    for (let row = 0; row < batch.rows; row++)
      rows.push(
        [...batch.bags].map(([name, { offsets, ids, weights }]) => [
          name,
          [...ids.subarray(offsets[row], offsets[row + 1])],
          [...weights.subarray(offsets[row], offsets[row + 1])],
        ]),
      );
  await dataset.close();
  return { rows, fitted: storedFitted(fitted) };
}

describe('the items of an event log', () => {
  it('are the events before each row, as if the rows had them as lists', async () => {
    const [events, requests] = [drawEvents(200), drawRequests(120)];
    const format = await withLog(formatOf(), { file: scratchFile('events.csv', eventCsv(events)) });
    expect(columnsOf(format)).toEqual(['click', 'item', 'user', 'now']);
    const joined = await read(formatOf(), scratchFile('rows.csv', joinedCsv(events, requests)));
    expect(await read(format, scratchFile('rows.csv', requestCsv(requests)))).toEqual(joined);
  });
});
