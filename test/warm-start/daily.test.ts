/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DAILY_CONFIG, itemsOf, writeDays } from '../support/drifting-days.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const NUM_DAYS = 7;
const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

describe('seven daily models of a shop with changing items', () => {
  it.each([1, 2, 3])(
    'predict the next day better with a warm start than without, for any epochs, and ids keep their meaning (seed %i)',
    async (seed) => {
      writeDays('.', NUM_DAYS + 1, seed);
      writeFileSync('config.yaml', DAILY_CONFIG);
      /** Returns the AUC of the next day. */
      const aucOf = async (day: number, name: string, more: readonly string[]): Promise<number> => {
        const { metrics } = await trainSmall('config.yaml', {
          name,
          set: [`seed=${seed}`, `data.train=day-${day}.csv`, `data.test=day-${day + 1}.csv`, ...more],
        });
        return metrics['test']!['ctr']!['auc'] as number;
      };
      const vocabularyOf = (day: number): readonly string[] =>
        (
          JSON.parse(readFileSync(`runs/config/warm-${day}/checkpoints/best/features.json`, 'utf8')) as {
            item: { vocabulary: string[] };
          }
        ).item.vocabulary;

      const gains: number[] = [];
      for (let day = 0; day < NUM_DAYS; day++) {
        const warm = await aucOf(
          day,
          `warm-${day}`,
          day === 0 ? [] : [`initFrom.checkpoint=runs/config/warm-${day - 1}`],
        );
        const cold: number[] = [];
        for (const epochs of [2, 5])
          cold.push(await aucOf(day, `cold-${day}-${epochs}`, [`training.epochs=${epochs}`]));
        if (day > 0) gains.push(warm - Math.max(...cold));
        if (day > 0) expect(vocabularyOf(day).slice(0, vocabularyOf(day - 1).length)).toEqual(vocabularyOf(day - 1));
      }
      const items = Array.from({ length: NUM_DAYS }, (_, day) => itemsOf(day)).flat();
      expect([...vocabularyOf(NUM_DAYS - 1)].sort()).toEqual([...new Set(items)].sort());
      expect(gains.reduce((sum, gain) => sum + gain, 0) / gains.length).toBeGreaterThan(0.005);
    },
    120_000,
  );
});
