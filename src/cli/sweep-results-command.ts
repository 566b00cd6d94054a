import { dumpConfig } from '../config/dump.js';
import { parseStoredConfig } from '../config/load.js';
import { parseOverride } from '../config/overrides.js';
import { csvText } from '../text/csv-text.js';
import { writeFileAtomic } from '../io/disk.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { runPath, shownPath } from '../runs/runs-root.js';
import { readLeaderboard, type ListedTrial } from '../study/leaderboard.js';
import { selectMetricPair, paretoFront, type MetricPair } from '../study/pareto.js';
import { checkMetric, listSettings, type Study } from '../study/study.js';
import { scoreText, stateLine } from '../study/trial-text.js';
import { createOutput } from './output.js';
import { boardTable, frontTable } from './sweep-format.js';
import { MTL } from '../system/command-name.js';

/** Runs `mtl sweep show` and prints the state of a study. Returns the exit code. */
export async function runSweepShow({
  study: named,
  top,
  pareto,
  html,
  json,
}: {
  readonly study: string;
  readonly top: number;
  readonly pareto: string | undefined;
  readonly html: boolean;
  readonly json: boolean;
}): Promise<number> {
  const { screen, result } = createOutput(json);
  const { study, board } = await readLeaderboard(runPath(named));
  const metrics = pareto === undefined ? selectMetricPair(study) : parsePair(pareto, study);
  const front = metrics && paretoFront(board, metrics, study.goals).front;
  screen.print(`study ${shownPath(study.folder)}: ${stateLine(study, board)}`);
  if (board.length > 0) screen.print(boardTable(study, board.slice(0, top), screen));
  if (metrics !== undefined && front !== undefined && front.length > 0)
    screen.print(frontTable(metrics, front, screen));
  // Loaded on demand.
  const page = html ? await (await import('../study/page.js')).writeStudyPage(study, board, metrics) : undefined;
  if (page !== undefined) screen.print(`page ${shownPath(page)}`);
  result({
    study: shownPath(study.folder),
    metric: study.options.metric,
    goal: study.goal,
    trials: board,
    ...(front !== undefined && { pareto: { metrics, trials: front.map(({ trial }) => trial.number) } }),
    ...(page !== undefined && { page: shownPath(page) }),
  });
  return EXIT_CODES.done;
}

/** Runs `mtl sweep best`: prints or writes the config of a trial. Returns the exit code. */
export async function runSweepBest({
  study: named,
  trial: requested,
  out,
  json,
}: {
  readonly study: string;
  readonly trial: number | undefined;
  readonly out: string | undefined;
  readonly json: boolean;
}): Promise<number> {
  const { screen, result } = createOutput(json || out === undefined);
  const { study, board } = await readLeaderboard(runPath(named));
  const trial =
    requested === undefined
      ? board.find(({ value }) => value !== null)
      : board.find(({ number }) => number === requested);
  if (trial === undefined)
    throw userError('usage', {
      where: shownPath(study.folder),
      message: requested === undefined ? 'no trial has finished yet' : `no trial ${requested}`,
      fix: `list the trials with ${MTL} sweep show`,
    });
  const found =
    trial.value === null ? trial.state : `${study.options.metric} ${scoreText(trial.value, trial.deviation)} on valid`;
  const experiment = parseStoredConfig(
    study.configText,
    study.config,
    listSettings(study, trial.point, study.seeds[0]).map(parseOverride),
  );
  const text = `# Trial ${trial.number} of the study ${study.name}: ${found}\n\n${dumpConfig(experiment)}`;
  if (out !== undefined) await writeFileAtomic(out, text);
  else if (!json) process.stdout.write(text);
  if (out !== undefined) screen.print(`trial ${trial.number}, ${found}, written to ${out}`);
  result({
    trial: trial.number,
    value: trial.value,
    point: trial.point,
    runs: trial.runs,
    ...(out === undefined ? { config: text } : { out }),
  });
  return EXIT_CODES.done;
}

/** Runs `mtl sweep export`: prints all trials as CSV or JSON. Returns the exit code. */
export async function runSweepExport({
  study: named,
  json,
}: {
  readonly study: string;
  readonly json: boolean;
}): Promise<number> {
  const { study, board } = await readLeaderboard(runPath(named));
  if (json) process.stdout.write(`${JSON.stringify(board)}\n`);
  else process.stdout.write(trialsCsv(study, board));
  return EXIT_CODES.done;
}

/** Parses two comma-separated metrics. */
function parsePair(text: string, study: Study): MetricPair {
  const where = `--pareto ${text}`;
  const [a, b, ...others] = text.split(',').map((name) => name.trim());
  if (a === undefined || b === undefined || others.length > 0 || a === b)
    throw userError('usage', {
      where,
      message: 'expected two different metrics',
      fix: 'use --pareto ctr.auc,ctcvr.auc',
    });
  for (const metric of [a, b]) checkMetric(study, metric, where);
  return [a, b];
}

/** Formats trials as CSV, by number: parameter values, then metrics. */
function trialsCsv(study: Study, board: readonly ListedTrial[]): string {
  const names = study.space.map(({ name }) => name);
  const rows = [...board]
    .sort((a, b) => a.number - b.number)
    .map(({ number, state, value, deviation, elapsedMs, runs, point, metrics }) => ({
      trial: number,
      state,
      [study.options.metric]: value ?? '',
      deviation: deviation ?? '',
      elapsedMs,
      runs: runs.join(' '),
      ...Object.fromEntries(names.map((name) => [name, toCsvValue(point[name])])),
      ...metrics,
    }));
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return csvText([
    columns,
    ...rows.map((row) => columns.map((column) => (row as Readonly<Record<string, string | number>>)[column] ?? '')),
  ]);
}

function toCsvValue(value: unknown): string | number {
  return value === undefined
    ? ''
    : typeof value === 'number' || typeof value === 'string'
      ? value
      : JSON.stringify(value);
}
