import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../src/core/random.js';

const DAYS = ['01', '02', '03', '04', '05', '06', '07'];
const ROWS = 800;

/**
 * A realistic shop log: one file per day, semicolons, decimal commas, string ids, words as labels, lists of items, and
 * blanks for unknown prices and payments. Click rates differ by user and item; cheap items sell better.
 */
export function writeShopLog(folder: string): void {
  const random = randomStream(11, 'shop');
  const yesOrNo = (isYes: boolean): string => (isYes ? 'yes' : 'no');
  mkdirSync(join(folder, 'logs'), { recursive: true });
  for (const day of DAYS) {
    const lines = ['time;user;item;shop;seen;price;clicked;cart;paid'];
    for (let row = 0; row < ROWS; row++) {
      const [user, item] = [random.below(40), random.below(30)];
      const price = 2 + random.below(5000) / 100;
      const likes = 0.1 + 0.45 * (user % 2) + 0.3 * Number(item % 3 === 0);
      const clicked = random.uniform() < likes;
      const cart = clicked && random.uniform() < (price < 20 ? 0.7 : 0.3);
      const paid = cart && random.uniform() < (item % 2 === 0 ? 0.8 : 0.3);
      const seen = Array.from({ length: random.below(4) }, () => `SKU-${random.below(30)}`).join('|');
      lines.push(
        [
          `2026-11-${day} ${String(random.below(24)).padStart(2, '0')}:${String(random.below(60)).padStart(2, '0')}`,
          `u${user}`,
          `SKU-${item}`,
          `shop ${item % 5}`,
          seen,
          random.uniform() < 0.1 ? '' : price.toFixed(2).replace('.', ','),
          yesOrNo(clicked),
          yesOrNo(cart),
          cart && random.uniform() < 0.1 ? '' : yesOrNo(paid),
        ].join(';'),
      );
    }
    writeFileSync(join(folder, 'logs', `2026-11-${day}.csv`), `${lines.join('\n')}\n`);
  }
}
