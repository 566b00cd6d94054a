import { join } from 'node:path';
import { stringify } from 'yaml';
import { writeFileAtomic } from '../io/disk.js';
import { html, renderTable, type Html } from '../charts/html.js';
import { renderFacts, renderPage, type DrawnSection, type Page } from '../charts/page.js';
import { count, duration } from '../text/number-text.js';
import { computeImportances } from './importance.js';
import type { ListedTrial } from './leaderboard.js';
import { selectMetricPair, type MetricPair } from './pareto.js';
import { frontChart, historyChart, importanceChart, parallelChart, sliceCharts, type Valued } from './charts.js';
import type { Study } from './study.js';
import { countTrials, listTrialCells, scoreText } from './trial-text.js';

/** Name of the page in a study's directory. */
export const STUDY_PAGE = 'study.html';
/** Maximum number of trials in the table and in a chart. */
const [MAX_LISTED, MAX_DRAWN] = [20, 1000];

/**
 * Writes a self-contained HTML page of a study to its directory. Import this module only where a page is written,
 * because its dependencies load slowly.
 * @param board its trials, best first
 * @param metrics axes of the Pareto front
 * @returns the path of the page
 * @throws UserError (disk)
 */
export async function writeStudyPage(
  study: Study,
  board: readonly ListedTrial[],
  metrics: MetricPair | undefined = selectMetricPair(study),
): Promise<string> {
  const path = join(study.folder, STUDY_PAGE);
  await writeFileAtomic(path, renderPage(drawStudy(study, board, metrics)));
  return path;
}

/**
 * Draws the page of a study.
 * @param board its trials, best first
 * @param metrics axes of the Pareto front
 */
export function drawStudy(study: Study, board: readonly ListedTrial[], metrics = selectMetricPair(study)): Page {
  const valued = board.filter((trial): trial is Valued => trial.value !== null);
  const trials = sampleTrials(valued);
  const ranking = computeImportances(study, board);
  const sections: readonly { readonly title: string; readonly about: string; readonly body: Html | undefined }[] = [
    {
      title: 'Leaderboard',
      about:
        `The best ${MAX_LISTED} trials, finished ones before stopped ones. ` +
        'With several seeds: mean and standard deviation of the runs.',
      body: board.length === 0 ? undefined : renderBoard(study, board.slice(0, MAX_LISTED)),
    },
    {
      title: 'History',
      about:
        'Each point is a trial, in starting order. ' +
        'If the line has been flat for long, more trials will improve little.',
      body: trials.length === 0 ? undefined : historyChart(study, trials),
    },
    {
      title: 'Pareto front',
      about: 'The trade-off between two metrics: no trial is better than a trial of the front in both.',
      body: metrics === undefined ? undefined : frontChart(study, trials, metrics),
    },
    {
      title: 'Parallel coordinates',
      about:
        'Each line is a trial. If the lines of the best trials converge on an axis, the parameter matters; ' +
        'if they spread, it does not. Colors are quintiles of the finished trials, the best in front.',
      body: trials.length === 0 ? undefined : parallelChart(study, trials, ranking),
    },
    {
      title: 'Importance',
      about:
        'How much each parameter alone decides which trials are in the best quarter, from 0 to 100% (PED-ANOVA, ' +
        'Watanabe et al. 2023). A bar that ends before its tick may be chance. The rest up to 100% is due to ' +
        'interactions and chance. With few trials, the bars of numeric parameters are too short. ' +
        'Only finished trials count.',
      body: ranking.length === 0 ? undefined : importanceChart(ranking),
    },
    {
      title: 'Slices',
      about: `${study.options.metric} of trials by the value of one parameter. All other parameters vary too.`,
      body: trials.length === 0 ? undefined : sliceCharts(study, trials),
    },
    {
      title: 'Study file',
      about: 'The options of the study, including defaults.',
      body: renderOptions(study),
    },
  ];
  const drawnSections = sections.filter((section): section is DrawnSection => section.body !== undefined);
  const note =
    trials.length < valued.length
      ? html`<p class="note">Charts show ${count(trials.length)} of ${count(valued.length)} trials, evenly spaced.</p>`
      : undefined;
  return { title: study.name, facts: html`${renderStudyFacts(study, board)}${note}`, sections: drawnSections };
}

/** Selects at most `MAX_DRAWN` trials, evenly spaced by number, including the best one. */
function sampleTrials(trials: readonly Valued[]): readonly Valued[] {
  const every = Math.ceil(trials.length / MAX_DRAWN);
  const selected = new Set([...trials].sort((a, b) => a.number - b.number).filter((_, index) => index % every === 0));
  return trials.filter((trial, rank) => rank === 0 || selected.has(trial));
}

function renderStudyFacts(study: Study, board: readonly ListedTrial[]): Html {
  const { options, goal, seeds } = study;
  const { completed, others } = countTrials(study, board);
  const [best] = board;
  return renderFacts([
    ['metric', `${options.metric}, ${goal} is better`],
    [
      best?.value == null ? 'best' : `best, trial ${best.number}`,
      best?.value == null ? '-' : scoreText(best.value, best.deviation),
    ],
    ['completed trials', completed],
    ...others,
    ['search', options.search.name],
    ['seeds per trial', seeds.join(', ')],
    ['training time', duration(board.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0))],
    ['config', options.config],
  ]);
}

function renderBoard(study: Study, board: readonly ListedTrial[]): Html {
  const [header, ...rows] = listTrialCells(study, board);
  const reasons = board
    .filter(({ message }) => message !== undefined)
    .map(({ number, message }) => html`<p class="note">trial ${number}: ${message}</p>`);
  return html`${renderTable(header, rows)}${reasons}`;
}

/** Renders the study's options, without empty conditions and linked keys. */
function renderOptions({ options: { space, ...options } }: Study): Html {
  const varied = Object.entries(space).map(([name, { when, linkedKeys, ...spec }]) => [
    name,
    { ...spec, ...(Object.keys(when).length > 0 && { when }), ...(linkedKeys.length > 0 && { linkedKeys }) },
  ]);
  const text = stringify({ ...options, space: Object.fromEntries(varied) as object }, { lineWidth: 0 });
  // Line by line, because a line break within a string would be escaped.
  return html`<pre><code>${text
    .trimEnd()
    .split('\n')
    .map((line) => html`${line}\n`)}</code></pre>`;
}
