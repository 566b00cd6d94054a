// Writes a stream to a directory until it is killed: impressions with their clicks, and the purchases that follow later.
// Arguments are the directory, impressions per second, and the time of the start in milliseconds. 1% more items per
// minute, preferences that drift, a new file per minute.
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const [folder, rateText, startText] = process.argv.slice(2);
const [rate, startMs] = [Number(rateText), Number(startText)];
const [USERS, FIRST_ITEMS, EVERY_MS] = [200_000, 100_000, 50];
/** Mean and maximum time from a click to its purchase. */
const [MEAN_DELAY_MS, MAX_DELAY_MS] = [10_000, 55_000];

let written = 0;
let numPurchases = 0;
/** Purchases by the time at which they are written, in units of EVERY_MS. */
const pending = new Map();

for (const log of ['impressions', 'purchases']) mkdirSync(join(folder, log), { recursive: true });

function impression(number) {
  const ms = (1000 * number) / rate;
  const minutes = ms / 60_000;
  const user = Math.floor(USERS * Math.random() ** 2);
  const items = Math.floor(FIRST_ITEMS * 1.01 ** minutes);
  // Newer items are more popular.
  const item = items - 1 - Math.floor(items * Math.random() ** 2);
  const taste = ((user * 7 + item * 13) % 10) / 10;
  const phase = Math.sin((2 * Math.PI * minutes) / 20 + (item % 5));
  const click = Math.random() < 0.1 + 0.25 * taste + 0.1 * phase ? 1 : 0;
  const at = Math.round(startMs + ms);
  if (click === 1 && Math.random() < 0.3) plan(number, at);
  return `{"id":${number},"at":${at},"user":"u${user}","item":"i${item}","price":${(item % 40) + 1},"click":${click}}\n`;
}

function plan(number, clickMs) {
  const delayMs = Math.min(MAX_DELAY_MS, -MEAN_DELAY_MS * Math.log(1 - Math.random()));
  const at = Math.round(clickMs + delayMs);
  const tick = Math.ceil((at - startMs) / EVERY_MS);
  pending.set(tick, [...(pending.get(tick) ?? []), { number, at }]);
}

let tick = 0;
setInterval(() => {
  const nowMs = Date.now();
  const due = Math.floor((rate * (nowMs - startMs)) / 1000);
  let impressions = '';
  for (; written < due; written++) impressions += impression(written);
  const purchases = [];
  for (; tick * EVERY_MS <= nowMs - startMs; tick++) {
    purchases.push(...(pending.get(tick) ?? []));
    pending.delete(tick);
  }
  purchases.sort((a, b) => a.at - b.at);
  numPurchases += purchases.length;
  const minute = `part-${String(Math.floor((nowMs - startMs) / 60_000)).padStart(5, '0')}.jsonl`;
  const write = (log, text) => text !== '' && appendFileSync(join(folder, log, minute), text);
  write('impressions', impressions);
  write('purchases', purchases.map(({ number, at }) => `{"id":${number},"at":${at}}\n`).join(''));
  appendFileSync(join(folder, 'ticks.jsonl'), `${JSON.stringify({ ms: nowMs, samples: written + numPurchases })}\n`);
}, EVERY_MS);
