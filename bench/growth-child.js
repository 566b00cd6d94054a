// Trains on a stream to its end; arguments: config, run directory, 'new' or 'resume', the file to write, and YAML
// overrides. Writes the milliseconds from step to step, saves within, and MB of memory at the end of each window.
import { writeFileSync } from 'node:fs';
import { train } from '../dist/index.js';

const [config, runDir, start, out, ...set] = process.argv.slice(2);
const stepMs = [];
const memoryMB = [];
let last;
await train(config, {
  ...(start === 'resume' ? { resume: runDir } : { runDir }),
  set,
  follow: true,
  untilEnd: true,
  onStep() {
    const now = performance.now();
    if (last !== undefined) stepMs.push(now - last);
    last = now;
  },
  onWindow: () => memoryMB.push(process.memoryUsage.rss() / 1e6),
  onWarning: (text) => console.error(text),
});
writeFileSync(out, JSON.stringify({ stepMs, memoryMB }));
