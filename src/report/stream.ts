import { html, type Html } from '../charts/html.js';
import { collectSeries, linePlot, type Series } from '../charts/plot.js';
import type { WindowLine } from '../runs/metric-lines.js';
import { drawFamilies } from './by-output.js';
import { collectKeys, collectOutputs, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Tokens of a vocabulary in a window. */
type TokenCounts = NonNullable<WindowLine['vocabularies']>[string];

const STEP = { title: 'steps', format: '~s' } as const;
/** Number of alarms that are listed. */
const MAX_ALARMS = 20;
/** Number of fields whose drift is drawn. */
const MAX_DRIFTS = 6;

/** Progressive validation of a stream by window, its speed, what is left to read, growing vocabularies, and alarms. */
export const stream: Section = {
  title: 'Stream',
  about: 'Each record is predicted before the model is trained on it. A point is a window of records.',
  draw(runs) {
    const windows = runs.flatMap(({ lines }) => lines.windows);
    if (windows.length === 0) return undefined;
    const reports = windows.map(({ progressive }) => progressive.metrics);
    const names = collectKeys(reports.flatMap((report) => Object.values(report))).filter(
      (name) => name !== 'rows' && name !== 'positives',
    );
    const charts = drawFamilies(
      runs,
      collectOutputs(reports),
      names.map((name) => ({
        title: `${name}, before training`,
        x: STEP,
        y: { title: '' },
        getPoints: ({ lines }, output) =>
          lines.windows.flatMap(({ step, progressive }) => {
            const value = progressive.metrics[output]?.[name];
            return typeof value === 'number' ? [{ x: step, y: value }] : [];
          }),
      })),
      [
        ...drawByRun(runs, 'records per second', speeds),
        ...drawByRun(runs, 'records or bytes left to read', (lines) =>
          lines.flatMap(({ step, lag }) => (lag === undefined ? [] : [{ x: step, y: lag.amount }])),
        ),
        ...drawByRun(runs, 'invalid and late records', (lines) =>
          lines.map(({ step, rejected }) => ({ x: step, y: rejected })),
        ),
        ...drawDrift(runs),
        ...drawVocabularies(runs),
      ],
    );
    return html`${charts}${runs.map((run) => renderAlarms(run, runs.length > 1))}`;
  },
};

/** Collects the series of each run, by window; with several runs, their names begin with the name of the run. */
function collectByRun(
  runs: readonly ReportedRun[],
  getValues: (window: WindowLine) => readonly (readonly [name: string, value: number | undefined])[],
): readonly Series[] {
  return runs.flatMap(({ name: run, lines }) =>
    collectSeries(lines.windows, ({ step }) => step, getValues).map(({ name, points }) => ({
      name: runs.length > 1 ? `${run} ${name}` : name,
      points,
    })),
  );
}

function drawByRun(
  runs: readonly ReportedRun[],
  title: string,
  getPoints: (windows: readonly WindowLine[]) => Series['points'],
): readonly Html[] {
  const series = runs.map(({ name, lines }) => ({ name, points: getPoints(lines.windows) }));
  if (series.every(({ points }) => points.every(({ y }) => y === 0))) return [];
  return [linePlot({ title, x: STEP, y: { title: '', zero: true }, series })];
}

/** Draws the drift of the fields that drifted most in any window. */
function drawDrift(runs: readonly ReportedRun[]): readonly Html[] {
  const largest = new Map<string, number>();
  for (const { drift = {} } of runs.flatMap(({ lines }) => lines.windows))
    for (const [field, index] of Object.entries(drift)) largest.set(field, Math.max(index, largest.get(field) ?? 0));
  if (largest.size === 0) return [];
  const fields = [...largest].sort(([, a], [, b]) => b - a).slice(0, MAX_DRIFTS);
  const series = collectByRun(runs, ({ drift }) => fields.map(([field]) => [field, drift?.[field]]));
  return [linePlot({ title: 'drift of fields', x: STEP, y: { title: '', zero: true }, series })];
}

/** Draws the tokens of each vocabulary that grows. */
function drawVocabularies(runs: readonly ReportedRun[]): readonly Html[] {
  const fields = new Set(
    runs.flatMap(({ lines }) => lines.windows.flatMap(({ vocabularies = {} }) => Object.keys(vocabularies))),
  );
  return [...fields].flatMap((field) => {
    const draw = (title: string, values: Readonly<Record<string, (tokens: TokenCounts) => number>>): Html => {
      const series = collectByRun(runs, ({ vocabularies }) => {
        const tokens = vocabularies?.[field];
        return Object.entries(values).map(([name, of]) => [name, tokens && of(tokens)]);
      });
      return linePlot({ title: `${field}: ${title}`, x: STEP, y: { title: '', zero: true }, series });
    };
    return [
      draw('number of tokens', { 'with a row': ({ rows }) => rows, 'only counted': ({ pending }) => pending }),
      draw('changes of tokens by window', {
        admitted: ({ admitted }) => admitted,
        expired: ({ expired }) => expired,
        evicted: ({ evicted }) => evicted,
        dropped: ({ dropped }) => dropped,
      }),
      draw('share of occurrences out of vocabulary', {
        'out of vocabulary': ({ occurrences, outOfVocabulary }) => outOfVocabulary / Math.max(1, occurrences),
      }),
    ];
  });
}

/** Records of a window by the training time since the window before. */
function speeds(windows: readonly WindowLine[]): Series['points'] {
  return windows.flatMap(({ step, records, elapsedMs }, w) => {
    const ms = elapsedMs - (windows[w - 1]?.elapsedMs ?? 0);
    return ms > 0 ? [{ x: step, y: (1000 * records) / ms }] : [];
  });
}

function renderAlarms({ name, lines }: ReportedRun, isNamed: boolean): Html | undefined {
  const alarms = lines.windows.flatMap(({ window, step, alarms: texts }) =>
    texts.map((text) => `${isNamed ? `${name}, ` : ''}window ${window}, step ${step}: ${text}`),
  );
  if (alarms.length === 0) return undefined;
  const shown = alarms.slice(-MAX_ALARMS).reverse();
  return html`<p class="alert">${alarms.length} ${alarms.length === 1 ? 'alarm' : 'alarms'}, the newest first</p>
<ul>${shown.map((text) => html`<li>${text}</li>`)}</ul>`;
}
