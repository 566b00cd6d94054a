import { html, type Html } from '../charts/html.js';
import { linePlot, type Series } from '../charts/plot.js';
import type { WindowLine } from '../runs/metric-lines.js';
import { drawFamilies } from './by-output.js';
import { collectKeys, collectOutputs, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

const STEP = { title: 'steps', format: '~s' } as const;
/** Number of alarms that are listed. */
const MAX_ALARMS = 20;

/** Progressive validation of a stream by window, its speed and what is left to read, and alarms. */
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
      ],
    );
    return html`${charts}${runs.map((run) => renderAlarms(run, runs.length > 1))}`;
  },
};

function drawByRun(
  runs: readonly ReportedRun[],
  title: string,
  getPoints: (windows: readonly WindowLine[]) => Series['points'],
): readonly Html[] {
  const series = runs.map(({ name, lines }) => ({ name, points: getPoints(lines.windows) }));
  if (series.every(({ points }) => points.every(({ y }) => y === 0))) return [];
  return [linePlot({ title, x: STEP, y: { title: '', zero: true }, series })];
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
