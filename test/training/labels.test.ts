/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluate.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { randomStream } from '../../src/core/random.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

/** A shop's log with every blank and every violation that people have, and how many rows of each there are. */
function shopRows(
  rows: number,
  seed: number,
): { readonly text: string; readonly counts: Readonly<Record<string, number>> } {
  const random = randomStream(seed, 'shop');
  const counts: Record<string, number> = { rows: 0, clicks: 0, carts: 0, cartKnown: 0, chainKnown: 0, violations: 0 };
  const count = (name: string): number => counts[name]!++;
  const lines = Array.from({ length: rows }, () => {
    const [user, item] = [random.below(20), random.below(12)];
    const happens = (chance: number): boolean => random.uniform() < chance;
    const click = happens((user + item) % 3 === 0 ? 0.8 : 0.2);
    const cart = click && happens(item % 2 === 0 ? 0.7 : 0.2);
    const pay = cart && happens(0.5);
    const isViolated = !click && happens(0.02);
    const isBlank = happens(0.1);
    if (isViolated) count('violations');
    else {
      count('rows');
      if (click) count('clicks');
      if (click && !isBlank) count('cartKnown');
      if (!click || !isBlank) count('chainKnown');
      if (cart && !isBlank) count('carts');
    }
    // Where there was no click, nobody wrote down whether something was bought.
    const cell = (happened: boolean, isDefined: boolean): string => (isDefined ? String(Number(happened)) : '');
    return [
      user,
      item,
      1000 * item,
      click ? 1 : 0,
      isViolated ? 1 : isBlank ? '' : cell(cart, click),
      isBlank ? '' : cell(pay, cart),
      (item % 4) / 2 + 0.5,
    ].join(',');
  });
  return { text: `user,item,ms,click,cart,pay,w\n${lines.join('\n')}\n`, counts };
}

function shop(model: string): {
  readonly folder: string;
  readonly config: string;
  readonly counts: Readonly<Record<string, number>>;
} {
  const folder = scratchFolder();
  writeFileSync(join(folder, 'train.csv'), shopRows(1200, 1).text);
  const { text, counts } = shopRows(500, 2);
  writeFileSync(join(folder, 'valid.csv'), text);
  const config = join(folder, 'shop.yaml');
  const long = model === 'esmm' ? '' : '  long: { label: { column: ms, above: 7000 } }\n';
  writeFileSync(
    config,
    `seed: 4
data: { train: train.csv, valid: valid.csv }
features:
  ids: { type: categorical, fields: [user, item], width: 4 }
tasks:
  ctr: { label: click, positiveWeight: balanced }
  cart: { label: cart, given: { label: ctr, violations: skip }, onMissing: mask, sampleWeight: w }
  pay: { label: pay, given: cart, onMissing: negative, positiveWeight: 2 }
${long}model: { name: ${model} }
training:
  epochs: 6
  batchSize: 32
  accumulateBatches: 2
  optimizer: { dense: { learningRate: 0.01 }, embeddings: { learningRate: 0.02 } }
  monitor: ctpay.auc
  lossWeights: { ctr: 0.5 }
`,
  );
  return { folder, config, counts };
}

describe('a log with missing labels, violations, conditions and weights', () => {
  it.each(['mmoe', 'shared-bottom', 'esmm'])(
    'trains %s on click, cart and pay, and is evaluated over the rows that count',
    async (model) => {
      const { folder, config, counts } = shop(model);
      const notices: string[] = [];
      const run = join(folder, 'run');
      const { metrics } = await trainSmall(config, { runDir: run, on: { onWarning: (text) => notices.push(text) } });
      const valid = metrics['valid']!;
      expect(valid['ctr']!.rows).toBe(counts['rows']);
      expect(valid['cart']).toMatchObject({ rows: counts['cartKnown'], positives: counts['carts'] });
      expect(valid['ctcart']).toMatchObject({ rows: counts['chainKnown'], positives: counts['carts'] });
      expect(valid['pay']!.rows).toBe(counts['carts']);
      expect(valid['ctpay']!['auc']).toBeGreaterThan(0.5);
      expect(notices.find((notice) => notice.startsWith('data.valid'))).toContain(
        `${counts['violations']} of 500 rows are excluded: cart is 1 and ctr is not (${counts['violations']})`,
      );
      if (model !== 'esmm')
        expect(valid['long']).toMatchObject({ rows: counts['rows'], auc: expect.any(Number) as number });

      // The same in use: eval reads the labels again, and a model in memory needs none.
      expect(
        (
          await evaluate({
            path: run,
            device: 'cpu',
            threads: 1,
            onWarning: () => undefined,
            signal: new AbortController().signal,
          })
        ).metrics['valid'],
      ).toEqual(valid);
      const loaded = await loadModel(run);
      expect(loaded.inputs.map(({ name }) => name)).toEqual(['user', 'item']);
      const { ctr, cart, ctcart } = loaded.predict([{ user: 3, item: 3 }]);
      expect(ctcart![0]).toBeCloseTo(ctr![0]! * cart![0]!, 6);
      loaded.dispose();
    },
  );

  it('resumes to the same weights', async () => {
    const { folder, config } = shop('mmoe');
    const weightsOf = (run: string): string =>
      readFileSync(join(run, 'checkpoints/last/weights.safetensors'), 'latin1');
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
    await trainSmall(config, { runDir: whole });
    await trainSmall(config, { runDir: parts, set: ['training.epochs=2'] });
    await trainSmall(config, { runDir: parts, resume: 'auto' });
    expect(weightsOf(parts)).toBe(weightsOf(whole));
  });
});
