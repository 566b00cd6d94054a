// One measurement of bench/predict.bench.ts in a process of its own; prints a line of JSON.
import { predict } from '../dist/predict.js';
import { importance } from '../dist/importance.js';

const [what, path, data, out] = process.argv.slice(2);
const common = { path, data, device: 'cpu', onWarning: () => undefined, signal: new AbortController().signal };

const start = performance.now();
const { rows } =
  what === 'predict'
    ? await predict({ ...common, out, keep: [], prefix: '' })
    : await importance({ ...common, rows: 1_000_000, repeats: 1, seed: 1, byGroup: false });
process.stdout.write(
  `${JSON.stringify({ rows, ms: performance.now() - start, peakMB: process.resourceUsage().maxRSS / 1024 })}\n`,
);
process.exit(0);
