// Throughput of mtl synth and of mtl prepare on raw Ali-CCP files, including file I/O, compared with a Python script (2
// minutes).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { count, MACHINE, printTable, saveResults } from './results.js';

const TRAIN_ROWS = 1_000_000;
const TEST_ROWS = 200_000;
const PYTHON = process.env['MTL_PYTHON'] ?? 'python3';
const MAIN = join(import.meta.dirname, '..', 'dist', 'cli', 'main.js');

/** Flushes pending writes, which would slow down the next measurement. */
function settle(): void {
  spawnSync('sync');
}

/** Runs a command in a process of its own. */
function mtl(args: readonly string[]): { seconds: number; peakMB: number } {
  const script =
    `const { main } = await import(${JSON.stringify(MAIN)}); process.exitCode = await ` +
    `main(process.argv.slice(1)); console.error('peak ' + process.resourceUsage().maxRSS)`;
  settle();
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, '--', ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return { seconds: (performance.now() - start) / 1000, peakMB: Number(/peak (\d+)/.exec(stderr)![1]) / 1024 };
}

const bytesIn = (folder: string): number =>
  readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);

it('prepare', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-bench-'));
  try {
    const raw = join(folder, 'raw');
    const rows = ['--train', String(TRAIN_ROWS), '--test', String(TEST_ROWS)];
    const written = [
      {
        what: 'synth, CSV',
        rows: TRAIN_ROWS + TEST_ROWS + 1,
        ...mtl(['synth', join(folder, 'csv'), '--preset', 'ali-ccp', ...rows, '--valid', '1']),
      },
      {
        what: 'synth, raw files',
        rows: TRAIN_ROWS + TEST_ROWS,
        ...mtl(['synth', raw, '--preset', 'ali-ccp', '--format', 'raw', ...rows]),
      },
    ];
    printTable(
      'Generated, with the numbers of ids of Ali-CCP',
      written.map(({ what, rows: n, seconds, peakMB }) => ({
        what,
        'rows/s': count(n / seconds),
        'peak, MB': count(peakMB),
      })),
    );

    const megabytes = bytesIn(raw) / 1e6;
    const prepared = [...new Set([1, MACHINE.cores])].map((threads) => ({
      what: `mtl prepare, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
      ...mtl(['prepare', 'ali-ccp', raw, join(folder, `out-${threads}`), '--threads', String(threads)]),
    }));
    settle();
    const python = spawnSync(
      PYTHON,
      [join(import.meta.dirname, 'peers', 'prepare_ali_ccp.py'), raw, join(folder, 'python')],
      { encoding: 'utf8' },
    );
    const peers: { what: string; seconds: number; peakMB: number }[] = [];
    if (python.status === 0) {
      // Output of the script.
      const { parseSeconds, prepareSeconds } = JSON.parse(python.stdout) as {
        parseSeconds: number;
        prepareSeconds: number;
      };
      peers.push(
        { what: 'Python, parsing alone', seconds: parseSeconds, peakMB: NaN },
        { what: 'Python, one id a field to CSV', seconds: prepareSeconds, peakMB: NaN },
      );
    } else console.log(`'${PYTHON}' does not run the script; MTL_PYTHON names another`);
    const results = [...prepared, ...peers];
    printTable(
      `Prepared from ${count(megabytes)} MB of raw files, ${count(TRAIN_ROWS + TEST_ROWS)} rows`,
      results.map(({ what, seconds, peakMB }) => ({
        what,
        'MB/s': (megabytes / seconds).toFixed(0),
        seconds: seconds.toFixed(1),
        'peak, MB': Number.isNaN(peakMB) ? '' : count(peakMB),
      })),
    );
    saveResults('prepare', { megabytes, written, results });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
