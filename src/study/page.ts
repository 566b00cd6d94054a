import { join } from 'node:path';
import { stringify } from 'yaml';
import { writeFileAtomic } from '../io/disk.js';
import { html, tableOf, type Html } from '../charts/html.js';
import { renderFacts, renderPage, type DrawnSection } from '../charts/page.js';
import { count, duration } from '../text/number-text.js';
import { importances } from './importance.js';
import type { ListedTrial } from './leaderboard.js';
import { pairOf, type MetricPair } from './pareto.js';
import { frontChart, historyChart, importanceChart, parallelChart, sliceCharts, type Valued } from './charts.js';
import type { Study } from './study.js';
import { scoreText, shortNames, valueLabel } from './trial-text.js';

/** The page in the folder of a study. */
export const STUDY_PAGE = 'study.html';
/** Trials in the table, and so many at the most in a chart. */
const [MAX_LISTED, MAX_DRAWN] = [20, 1000];

/**
 * Draws a study as it stands as a page that is whole in itself, in the folder of the study. What it needs takes long to
 * load: import it where
 * a page is drawn.
 * @param board its trials, the best first
 * @param metrics that are weighed against each other
 * @returns its path
 * @throws UserError (disk)
 */
export async function writeStudyPage(
  study: Study,
  board: readonly ListedTrial[],
  metrics: MetricPair | undefined = pairOf(study),
): Promise<string> {
  const path = join(study.folder, STUDY_PAGE);
  await writeFileAtomic(path, studyPage(study, board, metrics));
  return path;
}

/** The text of that page. */
export function studyPage(study: Study, board: readonly ListedTrial[], metrics: MetricPair | undefined): string {
  const valued = board.filter((trial): trial is Valued => trial.value !== null);
  const trials = thinned(valued);
  const ranking = importances(study, board);
  const sections: readonly { readonly title: string; readonly about: string; readonly body: Html | undefined }[] = [
    {
      title: 'Leaderboard',
      about: `The best ${MAX_LISTED} trials; those that were stopped stand below those that came to their end. With several seeds, the mean and the deviation of the runs.`,
      body: board.length === 0 ? undefined : boardOf(study, board.slice(0, MAX_LISTED)),
    },
    {
      title: 'History',
      about:
        'A point is a trial, in the order in which they began. Where the line has long been flat, more trials will find little.',
      body: trials.length === 0 ? undefined : historyChart(study, trials),
    },
    {
      title: 'Pareto front',
      about: 'What one metric costs in the other: no trial beats one of the front in both.',
      body: metrics === undefined ? undefined : frontChart(study, trials, metrics),
    },
    {
      title: 'Parallel coordinates',
      about:
        'A line is a trial. Where the lines of the best come together, the value matters; where they are spread, it does not. The colors are fifths of the trials that came to their end, the best in front.',
      body: trials.length === 0 ? undefined : parallelChart(study, trials, ranking),
    },
    {
      title: 'Importance',
      about:
        'How much a parameter alone decides which trials are among the best quarter, from 0 to 100% (PED-ANOVA, Watanabe et al. 2023). A bar that ends before its tick may be chance. What bars lack of 100% is decided by parameters together, or by chance; of few trials, bars on lines are shorter than the truth. Only trials that came to their end count.',
      body: ranking.length === 0 ? undefined : importanceChart(ranking),
    },
    {
      title: 'Slices',
      about: `${study.options.metric} of trials by their value of one parameter. All other parameters vary, too.`,
      body: trials.length === 0 ? undefined : sliceCharts(study, trials),
    },
    {
      title: 'What was asked',
      about: 'The study as its file has it, with what holds where nothing was said.',
      body: askedOf(study),
    },
  ];
  const drawn = sections.filter((section): section is DrawnSection => section.body !== undefined);
  const note =
    trials.length < valued.length
      ? html`<p class="note">Charts of trials show ${count(trials.length)} of ${count(valued.length)}, evenly chosen.</p>`
      : undefined;
  return renderPage(study.name, html`${facts(study, board)}${note}`, drawn);
}

/** Evenly chosen by number where they are too many for a chart, the best one among them. */
function thinned(trials: readonly Valued[]): readonly Valued[] {
  const every = Math.ceil(trials.length / MAX_DRAWN);
  const kept = new Set([...trials].sort((a, b) => a.number - b.number).filter((_, at) => at % every === 0));
  return trials.filter((trial, rank) => rank === 0 || kept.has(trial));
}

/** What is told first. */
function facts({ options, goal, seeds, numTrials }: Study, board: readonly ListedTrial[]): Html {
  const countOf = (wanted: ListedTrial['state']): number => board.filter(({ state }) => state === wanted).length;
  const [best] = board;
  const isOver = ({ state }: ListedTrial): boolean => state !== 'running' && state !== 'waiting';
  const others = (['running', 'waiting', 'stopped', 'failed'] as const)
    .filter((state) => countOf(state) > 0)
    .map((state): [string, string] => [state, count(countOf(state))]);
  return renderFacts([
    ['searched for', `${options.metric}, ${goal} is better`],
    [
      best?.value == null ? 'best' : `best, trial ${best.number}`,
      best?.value == null ? '-' : scoreText(best.value, best.deviation),
    ],
    [
      'trials that are over',
      `${count(board.filter(isOver).length)}${Number.isFinite(numTrials) ? ` of ${count(numTrials)}` : ''}`,
    ],
    ...others,
    ['search', options.search.name],
    ['seeds of a trial', seeds.join(', ')],
    ['time in training', duration(board.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0))],
    ['config', options.config],
  ]);
}

function boardOf({ space, options }: Study, board: readonly ListedTrial[]): Html {
  const names = space.map(({ name }) => name);
  const rows = board.map(({ number, state, value, deviation, elapsedMs, point }) => [
    `trial ${number}`,
    state,
    value === null ? '-' : scoreText(value, deviation),
    duration(elapsedMs),
    ...space.map((parameter) =>
      Object.hasOwn(point, parameter.name) ? valueLabel(parameter, point[parameter.name]) : '-',
    ),
  ]);
  const why = board
    .filter(({ message }) => message !== undefined)
    .map(({ number, message }) => html`<p class="note">trial ${number}: ${message}</p>`);
  return html`${tableOf(['', 'state', options.metric, 'time', ...shortNames(names)], rows)}${why}`;
}

/** The study as its file has it, without conditions and keys that are empty. */
function askedOf({ options: { space, ...options } }: Study): Html {
  const varied = Object.entries(space).map(([name, { when, linkedKeys: also, ...spec }]) => [
    name,
    { ...spec, ...(Object.keys(when).length > 0 && { when }), ...(also.length > 0 && { also }) },
  ]);
  const text = stringify({ ...options, space: Object.fromEntries(varied) as object }, { lineWidth: 0 });
  // Line by line, since an end of a line within a text would be shown as a sign.
  return html`<pre><code>${text
    .trimEnd()
    .split('\n')
    .map((line) => html`${line}\n`)}</code></pre>`;
}
