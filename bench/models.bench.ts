// Every config of configs/ on the planted world beside its truth, as docs/models.md has it: AUC, rows/s, parameters; hours, and it goes on where it was ended.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'vitest';
import { measureConfig, type Trained } from './models/measure.js';
import { LOGS, plantedLog, type LogName } from './models/planted.js';
import { modelsTable, withSection } from './models/table.js';
import { benchOptions, describeMachine } from './results.js';

const ROOT = join(import.meta.dirname, '..');
const FIRST_SEED = 1;
const A_DAY = 86_400_000;

it('models', async () => {
  const { rows = 2_000_000, seeds = 3, only, threads, log, write, set } = benchOptions();
  const configs = readdirSync(join(ROOT, 'configs')).filter((file) => file.endsWith('.yaml')).map((file) => file.slice(0, -5));
  const unknown = only.filter((name) => !configs.includes(name));
  if (unknown.length > 0) throw new Error(`no config '${unknown.join("', '")}'; there are ${configs.join(', ')}`);
  for (const name of (log === undefined ? Object.keys(LOGS) : [log]) as LogName[]) {
    const planted = await plantedLog(join(ROOT, 'runs', 'bench-models'), name, rows);
    const trainings: Trained[][] = [];
    for (const config of configs.filter((each) => only.length === 0 || only.includes(each))) {
      const runs: Trained[] = [];
      for (let seed = FIRST_SEED; seed < FIRST_SEED + seeds; seed++) runs.push(await measureConfig(join(ROOT, 'configs', `${config}.yaml`), planted, { seed, threads, set }));
      trainings.push(runs);
      console.log(modelsTable(name, planted, [runs]).split('\n').at(-1));
    }
    const table = modelsTable(name, planted, trainings);
    console.log(`\n${name}: ${rows} rows, ${seeds} seeds, ${describeMachine()}\n${table}\n`);
    if (write !== undefined) writeFileSync(write, withSection(readFileSync(write, 'utf8'), `${name} log`, table));
  }
}, A_DAY);
