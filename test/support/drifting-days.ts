import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../src/core/random.js';

// A shop with a changing catalog: users keep their preferences, and each day some items leave and new ones arrive.

const NUM_USERS = 80;
const NUM_ITEMS = 60;
/** Items replaced per day. */
const NUM_CHANGED = 6;
const NUM_TASTES = 3;

/** Names of the items of a day, numbered from 0. */
export function itemsOf(day: number): readonly string[] {
  return Array.from({ length: NUM_ITEMS }, (_, i) => `item-${day * NUM_CHANGED + i}`);
}

/** Writes `day-<n>.csv` per day with the columns user, item, price, click and purchase. */
export function writeDays(folder: string, numDays: number, seed: number, rowsPerDay = 1500): void {
  const tastes = new Map<string, readonly number[]>();
  const tastesOf = (who: string): readonly number[] => {
    const random = randomStream(seed, 'tastes', who);
    const known = tastes.get(who) ?? Array.from({ length: NUM_TASTES + 1 }, () => random.normal());
    tastes.set(who, known);
    return known;
  };
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  for (let day = 0; day < numDays; day++) {
    const random = randomStream(seed, 'day', String(day));
    const items = itemsOf(day);
    const rows = Array.from({ length: rowsPerDay }, () => {
      const user = Math.floor(random.uniform() * NUM_USERS);
      const item = items[Math.floor(random.uniform() * NUM_ITEMS)]!;
      const [of, likes] = [tastesOf(item), tastesOf(`user-${user}`)];
      let affinity = 0.8 * of[NUM_TASTES]!;
      for (let t = 0; t < NUM_TASTES; t++) affinity += likes[t]! * of[t]!;
      const isClicked = random.uniform() < sigmoid(affinity - 0.5);
      const isBought = isClicked && random.uniform() < sigmoid(of[0]! + likes[NUM_TASTES]! - 0.5);
      return `${user},${item},${(10 + day + 5 * random.normal()).toFixed(2)},${Number(isClicked)},${Number(isBought)}`;
    });
    writeFileSync(join(folder, `day-${day}.csv`), `user,item,price,click,purchase\n${rows.join('\n')}\n`);
  }
}

/** A config for these days. */
export const DAILY_CONFIG = `
seed: 5
data: { train: day-0.csv }
features:
  user: { type: categorical, fields: [user], width: 8 }
  item: { type: categorical, fields: [item], width: 8, encoding: { name: tokens, minCount: 2 } }
  price: { type: numeric, fields: [price], scaling: standard }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm, ctrTower: { hidden: [16] }, cvrTower: { hidden: [16] } }
training:
  epochs: 2
  batchSize: 128
  optimizer: { dense: { name: adam, learningRate: 0.01 }, embeddings: { name: adam, learningRate: 0.02 } }
`;
