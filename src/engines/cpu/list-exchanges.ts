import { WORD } from '../compile/buffers.js';
import type { Exchanges } from './kernels.js';
import type { Layout } from '../compile/layout.js';
import type { CpuMemory } from './memory.js';
import { localRows } from './local-rows.js';
import { createFloatScratch } from './scratch-array.js';
import type { TeamWatch } from './team.js';

/** Creates the exchanges within lists, on a memory. */
export function listExchanges(
  { peers, part }: Layout,
  { image: { doubles, floats, wordAt } }: CpuMemory,
  { onExchange = () => undefined }: Pick<TeamWatch, 'onExchange'>,
): Exchanges {
  const [out, into] = [createFloatScratch(), createFloatScratch()];
  return {
    beginSum(at, count) {
      onExchange('dense gradients');
      peers.startAllReduce(floats.subarray(at / WORD, at / WORD + count));
    },
    goOn: () => peers.pollAllReduce(),

    together(...placesAndCounts) {
      const views: Float64Array[] = [];
      for (let i = 0; i < placesAndCounts.length; i += 2)
        views.push(doubles.subarray(placesAndCounts[i]! / 8, placesAndCounts[i]! / 8 + placesAndCounts[i + 1]!));
      const all = new Float64Array(views.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const view of views) {
        all.set(view, at);
        at += view.length;
      }
      onExchange('sums');
      peers.allReduceSumF64(all);
      at = 0;
      for (const view of views) {
        view.set(all.subarray(at, at + view.length));
        at += view.length;
      }
    },

    gather(...columns) {
      const [width, rows] = [columns.length / 3, doubles[wordAt(part!) / 2]!];
      const parts = Array.from({ length: peers.size }, (_, rank) => localRows(rank, peers.size, rows));
      const own = out(width * parts[peers.rank]!.rows);
      let to = 0;
      for (let c = 0; c < columns.length; c += 3) {
        const [at, ld] = [columns[c]! / WORD, columns[c + 1]!];
        for (let b = 0; b < parts[peers.rank]!.rows; b++) own[to++] = floats[at + b * ld]!;
      }
      const all = into(width * rows);
      onExchange('columns');
      peers.allGather(
        own,
        all,
        Float64Array.from(parts, (each) => width * each.rows * WORD),
      );
      // The columns of each process, in rank order.
      for (const { begin, rows: theirs } of parts) {
        for (let c = 0; c < width; c++)
          floats.set(
            all.subarray(width * begin + c * theirs, width * begin + (c + 1) * theirs),
            columns[3 * c + 2]! / WORD + begin,
          );
      }
    },
  };
}
