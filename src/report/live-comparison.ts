import { html, renderCharts, renderTable, type Html, type Part } from '../charts/html.js';
import { linePlot } from '../charts/plot.js';
import type { LiveFigures, LiveLook } from '../runs/live-figures.js';
import { count, decimals, level, signed } from '../text/number-text.js';
import { renderSigned } from './comparison.js';
import type { Section } from './section.js';
import type { ShownComparison } from './shown-comparison.js';

type LiveDifference = LiveLook['difference'];

/** Maximum number of comparisons of a run that are shown. */
const MAX_SHOWN = 3;

/** Runs on the same live requests, or on shares of them: figures, looks and decisions. */
export const liveComparison: Section = {
  title: 'Live comparison',
  about:
    'Requests that a server answered, with labels that arrived later. Differences are candidate − present; ✓ is ' +
    'better and ✗ is worse: the interval excludes 0.',
  draw(runs) {
    const all = [...new Map(runs.flatMap(({ live }) => live).map((each) => [each.source, each])).values()];
    if (all.length === 0) return undefined;
    const shown = all.slice(-MAX_SHOWN).reverse();
    const isOmitted = all.length > shown.length;
    return html`${shown.map(renderComparison)}${drawLooks(shown[0]!)}${
      isOmitted ? html`<p class="note">The newest ${shown.length} of ${all.length} comparisons</p>` : undefined
    }`;
  },
};

function renderComparison({ source, present, candidate, decision, gate, live }: ShownComparison): Html {
  const answered = live === undefined ? 'live requests' : describeRequests(live);
  const title = html`<p><strong>${candidate}: ${decision}</strong>, against ${present}; ${answered}; ${source}</p>`;
  const figures = live && renderFigures(live);
  // A record without looks has the decision alone.
  if (live !== undefined && live.looks.length > 0) return html`${title}${figures}${renderLooks(live.looks)}`;
  if (gate === undefined) return html`${title}${figures}`;
  const { metric, confidence, rows, present: a, candidate: b, ...values } = gate;
  const difference = { ...values, a, b };
  const line = [metric, count(rows), level(confidence), ...renderDifference(difference)];
  return html`${title}${figures}${renderTable(['', 'rows', 'level', 'difference', 'interval'], [line])}`;
}

function describeRequests({ kind, share }: LiveFigures): string {
  return kind === 'shadow' || share === null
    ? 'shadow, both on the same rows'
    : `canary on ${level(share)} of the requests, independent samples`;
}

/** Renders a row per output and value. */
function renderFigures({ figures: { present, candidate, confidence, differences } }: LiveFigures): Html {
  const rows = Object.keys(present).flatMap((output): (readonly Part[])[] => [
    [`${output} rows`, countOf(present[output]), countOf(candidate[output]), '', ''],
    ...differences
      .filter((each) => each.output === output)
      .map((each) => [`${output}.${each.metric}`, decimals(each.a), decimals(each.b), ...renderDifference(each)]),
  ]);
  return renderTable(['', 'present', 'candidate', 'difference', `${level(confidence)} interval`], rows);
}

function countOf(values: Readonly<Record<string, number | null>> | undefined): string {
  return count(values?.['rows'] ?? 0);
}

/** Renders the looks of a rule, with their levels: each interval is wider than the interval of the figures. */
function renderLooks(looks: LiveFigures['looks']): Html {
  const header = ['look', 'rows', 'level', nameMetric(looks[0]!), 'interval', 'verdict'];
  return renderTable(
    header,
    looks.map(({ number, rows, confidence, difference, verdict }) => [
      number,
      count(rows),
      level(confidence),
      ...renderDifference(difference),
      verdict,
    ]),
  );
}

/** Draws the intervals of the looks; undefined for fewer than two. */
function drawLooks({ live }: ShownComparison): Html | undefined {
  const points = (live?.looks ?? []).flatMap(({ rows, difference: { difference, low, high } }) =>
    difference === null || low === null || high === null ? [] : [{ x: rows, y: difference, low, high }],
  );
  if (points.length < 2) return undefined;
  const ends = [points[0]!.x, points.at(-1)!.x];
  const chart = linePlot({
    title: `${nameMetric(live!.looks[0]!)}: difference by look`,
    x: { title: 'labeled rows', format: '~s' },
    y: { title: '' },
    series: [{ name: 'difference', points }],
    points: true,
    guide: ends.map((x) => [x, 0] as const),
  });
  return renderCharts([chart]);
}

function nameMetric({ difference: { output, metric } }: LiveLook): string {
  return `${output}.${metric}`;
}

/** Renders a difference with its mark, and its interval. */
function renderDifference({
  goal,
  difference,
  low,
  high,
}: Pick<LiveDifference, 'goal' | 'difference' | 'low' | 'high'>): readonly [Part, Part] {
  if (difference === null) return ['-', '-'];
  if (low === null || high === null) return [signed(difference), '-'];
  const isClear = goal !== 'none' && (low > 0 || high < 0);
  const found = !isClear ? undefined : low > 0 === (goal === 'higher') ? 'better' : 'worse';
  return [renderSigned(difference, found), `${signed(low)} … ${signed(high)}`];
}
