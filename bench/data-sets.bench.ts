// Public data sets that PyPI packages contain: AUC and log loss of the untouched config of mtl init and of boosted
// trees; takes hours and resumes after an interruption.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'vitest';
import { extractSets, isMethod, keptScores, measure, METHODS, methodsOf, type Scores } from './data-sets/measure.js';
import { chooseSets } from './data-sets/sets.js';
import { metricTable, summaryTable, type Line } from './data-sets/table.js';
import { withSection } from './models/table.js';
import { benchOptions, describeMachine } from './results.js';

const A_DAY = 86_400_000;

const { only, methods, seeds = 5, folder, threads, set, kept, write } = benchOptions();
const place = folder ?? join(import.meta.dirname, '..', 'runs', 'bench-data-sets');

it(
  'data sets',
  async () => {
    const sets = chooseSets(only);
    const chosen = methods.length === 0 ? METHODS : methods.filter(isMethod);
    if (methods.length > chosen.length && methods.length > 0)
      throw new Error(`unknown method among '${methods.join("', '")}'; use ${METHODS.join(', ')}`);
    if (!kept) {
      extractSets(place, sets);
      for (let seed = 1; seed <= seeds; seed++)
        for (const method of chosen)
          for (const each of sets)
            if (methodsOf(each).includes(method))
              report(each.name, method, seed, await measure(each, { ...options(seed), method }));
    }
    const lines: Line[] = sets.map((each) => ({
      set: each,
      scores: Object.fromEntries(
        methodsOf(each).map((method) => [
          method,
          Array.from({ length: seeds }, (_, i) => keptScores(each, { ...options(i + 1), method })).filter(
            (scores) => scores !== undefined,
          ),
        ]),
      ),
    }));
    const tables = [metricTable(lines, 'auc'), summaryTable(lines)].join('\n\n');
    console.log(`\n${seeds} seeds, ${describeMachine()}\n${tables}\n\n${metricTable(lines, 'logLoss')}\n`);
    if (write !== undefined) writeFileSync(write, withSection(readFileSync(write, 'utf8'), 'data sets', tables));
  },
  A_DAY,
);

function options(seed: number) {
  return { folder: place, seed, threads, set };
}

function report(name: string, method: string, seed: number, { metrics, cpuSeconds }: Scores): void {
  const values = Object.entries(metrics).map(
    ([label, { auc, logLoss }]) => `${label} ${auc.toFixed(4)} / ${logLoss.toFixed(4)}`,
  );
  console.log(`${name} ${method} ${seed}: ${values.join(', ')}, ${cpuSeconds.toFixed(0)} s of processor time`);
}
