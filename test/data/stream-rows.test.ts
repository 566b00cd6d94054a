import { column } from '../../src/core/batch.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeRows } from '../../src/data/pipeline.js';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { openAllColumns } from '../support/read-rows.js';
import { scratchFile } from '../support/scratch.js';

// Streams rows with one thread and with several; threads run the build.

const groups = [
  featureTypes.schema.parse({ type: 'categorical', fields: ['id'] }),
  featureTypes.schema.parse({ type: 'numeric', fields: ['n'] }),
];
const format = encodedFormat(createRowFormat({ tasks: [], groups }), { id: { size: 100 } });
const KEPT = ['id', 'note'];

/** Collects streamed rows in order: the encoded id, or null for an invalid row, and the copied columns. */
async function passed(
  path: string,
  threads: number,
  chunkBytes?: number,
): Promise<(readonly [number | null, ...string[]])[]> {
  const source = await openAllColumns(path, {}, chunkBytes);
  const all: (readonly [number | null, ...string[]])[] = [];
  for await (const { batch, kept, typed, skipped } of encodeRows(source, format, {
    kept: { names: KEPT, areTyped: true },
    threads,
    isPatient: true,
  })) {
    const ids: (number | null)[] = [];
    for (const before of [...skipped, batch.rows]) {
      while (ids.filter((id) => id !== null).length < before)
        ids.push(column(batch, 'id', 'u32').data[ids.filter((id) => id !== null).length]!);
      ids.push(null);
    }
    ids.pop();
    expect(kept.map((cells) => cells.length)).toEqual(KEPT.map(() => ids.length));
    expect(typed).toEqual(kept.map((texts) => texts.map((text) => text || null)));
    all.push(...ids.map((id, row) => [id, ...kept.map((cells) => cells[row]!)] as const));
  }
  return all;
}

describe('streamed rows', () => {
  it('preserve order, invalid rows and copied columns, for any number of threads and chunk size', async () => {
    const row = fc.oneof(
      {
        weight: 5,
        arbitrary: fc
          .tuple(fc.nat(99), fc.constantFrom('', 'a', 'ü', 'two words'))
          .map(([id, note]) => ({ line: `${id},1.5,${note}`, row: [id, String(id), note] })),
      },
      fc.constant({ line: 'x,1,bad id', row: [null, 'x', 'bad id'] }),
      fc.constant({ line: '5,zero,bad number', row: [null, '5', 'bad number'] }),
      fc.constant({ line: '5,1', row: [null, '', ''] }),
      fc.constant({ line: '7,2,"a, ""b"""', row: [7, '7', 'a, "b"'] }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 40 }),
        fc.constantFrom(40, 200, 1 << 19),
        async (rows, chunkBytes) => {
          const path = scratchFile('rows.csv', ['id,n,note', ...rows.map(({ line }) => line), ''].join('\n'));
          expect(await passed(path, 1, chunkBytes)).toEqual(rows.map((each) => each.row));
        },
      ),
      { numRuns: 60 },
    );
    const many = Array.from({ length: 3000 }, (_, i) =>
      i % 7 === 0 ? `x${i},1,bad` : i % 11 === 0 ? '1,2' : `${i % 100},${i},note ${i}`,
    );
    const path = scratchFile('many.csv', `id,n,note\n${many.join('\n')}\n`);
    expect(await passed(path, 2, 5000)).toEqual(await passed(path, 1));
  });

  it('end at the first invalid row if invalid rows are errors', async () => {
    const source = await openSource(scratchFile('bad.csv', 'id,n\n1,2\nx,2\n'), ['id', 'n']);
    await expect(source.stream(format, [], { policy: refuseBadRows, threads: 1 }).next()).rejects.toThrow(
      /bad\.csv:3: column "id": expected an integer id/,
    );
  });

  it('are invalid if a copied column is not UTF-8', async () => {
    const path = scratchFile('latin1.csv', Buffer.from('id,n,note\n1,2,caf\xe9\n2,3,ok\n', 'latin1'));
    expect(await passed(path, 1)).toEqual([
      [null, '1', expect.any(String)],
      [2, '2', 'ok'],
    ]);
  });
});
