// Every config of configs/ on a synthetic log with known probabilities: AUC, rows/s and parameters for the
// documentation; takes hours and resumes after an interruption.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'vitest';
import { keptConfig, keptSpeed, measureConfig, measureSpeed } from './models/measure.js';
import { LOGS, plantedLog, type LogName, type PlantedLog } from './models/planted.js';
import { precisionTable } from './models/precision.js';
import { modelsTable, withSection } from './models/table.js';
import { benchOptions, count, describeMachine } from './results.js';

const ROOT = join(import.meta.dirname, '..');
const KEPT = join(ROOT, 'runs', 'bench-models');
const FIRST_SEED = 1;
/** More rows do not change the measured speed. */
const SPEED_ROWS = 200_000;
const A_DAY = 86_400_000;

const { rows = 2_000_000, seeds = 3, only, threads, log, write, set, speed, kept, precision } = benchOptions();
/** Configs of the biased log that a page shows: the correcting models, and the baselines. */
const CORRECTING = /\/(?:dcmt|ddpo|escm2-dr|escm2-ips|esmm|single-task)\.yaml$/;
const names = readdirSync(join(ROOT, 'configs'))
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => file.slice(0, -'.yaml'.length));
const configs = names
  .filter((name) => only.length === 0 || only.includes(name))
  .map((name) => join(ROOT, 'configs', `${name}.yaml`));

it(
  'models',
  async () => {
    const unknown = only.filter((name) => !names.includes(name));
    if (unknown.length > 0) throw new Error(`no config '${unknown.join("', '")}'; there are ${names.join(', ')}`);
    if (speed) return measureSpeeds();
    if (precision !== undefined) return comparePrecisions(precision);
    for (const name of (log === undefined ? Object.keys(LOGS) : [log]) as LogName[]) {
      const planted = await plantedLog(KEPT, name, rows);
      if (!kept) await trainAll(name, planted);
      const lines = configs.map((config) => ({
        config,
        runs: seedsOf().flatMap((seed) => keptConfig(config, planted, { seed, threads, set }) ?? []),
        rowsPerSecond: keptSpeed(config, planted, { seed: FIRST_SEED, threads, set }),
      }));
      const head = `\n${name}: ${rows} rows, ${seeds} seeds, ${describeMachine()}`;
      console.log(`${head}\n${modelsTable(name, planted, lines)}\n`);
      if (write === undefined) continue;
      const shown = name === 'plain' ? lines : lines.filter(({ config }) => CORRECTING.test(config));
      const page = readFileSync(write, 'utf8');
      writeFileSync(write, withSection(page, `${name} log`, modelsTable(name, planted, shown)));
    }
  },
  A_DAY,
);

function seedsOf(): readonly number[] {
  return Array.from({ length: seeds }, (_, i) => FIRST_SEED + i);
}

/** One seed of every config first, so that early results cover all configs. */
async function trainAll(name: LogName, planted: PlantedLog, changes = set): Promise<void> {
  for (const seed of seedsOf()) {
    for (const config of configs) {
      const trained = await measureConfig(config, planted, { seed, threads, set: changes });
      console.log(
        modelsTable(name, planted, [{ config, runs: [trained], rowsPerSecond: undefined }])
          .split('\n')
          .at(-1),
      );
    }
  }
}

/** Compares matrix products in f32 with another precision for every config on one log. */
async function comparePrecisions(other: string): Promise<void> {
  const planted = await plantedLog(KEPT, log ?? 'plain', rows);
  const changed = [...set, `training.precision=${other}`];
  if (!kept) {
    await trainAll(log ?? 'plain', planted);
    await trainAll(log ?? 'plain', planted, changed);
  }
  const runsOf = (config: string, changes: readonly string[]) =>
    seedsOf().flatMap((seed) => keptConfig(config, planted, { seed, threads, set: changes }) ?? []);
  const table = precisionTable(
    other,
    configs.map((config) => ({ config, f32: runsOf(config, set), other: runsOf(config, changed) })),
  );
  console.log(`\n${log ?? 'plain'}: ${rows} rows, ${seeds} seeds, ${describeMachine()}\n${table}\n`);
}

async function measureSpeeds(): Promise<void> {
  const planted = await plantedLog(KEPT, 'plain', SPEED_ROWS);
  for (const config of configs)
    console.log(`${config}: ${count(await measureSpeed(config, planted, { seed: FIRST_SEED, threads, set }))} rows/s`);
  console.log(describeMachine());
}
