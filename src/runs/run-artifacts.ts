import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RunFile } from '../track/mlflow-artifacts.js';
import { checkpointsFolder } from './retention.js';
import { RESOLVED, RESULTS, SOURCE } from './run-log.js';
import { SUMMARY } from './summary.js';

/** Lists the files of a run that trackers upload: configs, results and the best checkpoint as `best/`. */
export function runArtifacts(folder: string): readonly RunFile[] {
  const best = join(checkpointsFolder(folder), 'best');
  const files = [SOURCE, RESOLVED, RESULTS, SUMMARY].map((path) => ({ path, file: join(folder, path) }));
  const ofBest = existsSync(best)
    ? readdirSync(best).map((name) => ({ path: `best/${name}`, file: join(best, name) }))
    : [];
  return [...files, ...ofBest].filter(({ file }) => existsSync(file));
}
