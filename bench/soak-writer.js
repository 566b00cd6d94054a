// Writes a stream of events to a directory until it is killed: arguments are the directory, records per second, and the
// time of the start in milliseconds. 1% more items per minute, preferences that drift, a new file per minute.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, rateText, startText] = process.argv.slice(2);
const [rate, startMs] = [Number(rateText), Number(startText)];
const [USERS, FIRST_ITEMS, EVERY_MS] = [200_000, 100_000, 50];

let written = 0;

function record(number) {
  const ms = (1000 * number) / rate;
  const minutes = ms / 60_000;
  const user = Math.floor(USERS * Math.random() ** 2);
  const items = Math.floor(FIRST_ITEMS * 1.01 ** minutes);
  // Newer items are more popular.
  const item = items - 1 - Math.floor(items * Math.random() ** 2);
  const taste = ((user * 7 + item * 13) % 10) / 10;
  const phase = Math.sin((2 * Math.PI * minutes) / 20 + (item % 5));
  const click = Math.random() < 0.1 + 0.25 * taste + 0.1 * phase ? 1 : 0;
  const buy = click === 1 && Math.random() < 0.3 ? 1 : 0;
  return `{"at":${Math.round(startMs + ms)},"user":"u${user}","item":"i${item}","price":${(item % 40) + 1},"click":${click},"buy":${buy}}\n`;
}

setInterval(() => {
  const due = Math.floor((rate * (Date.now() - startMs)) / 1000);
  let text = '';
  for (; written < due; written++) text += record(written);
  const minute = String(Math.floor((Date.now() - startMs) / 60_000)).padStart(5, '0');
  if (text !== '') appendFileSync(join(folder, `part-${minute}.jsonl`), text);
}, EVERY_MS);
