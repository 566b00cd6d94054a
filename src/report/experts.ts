import { html, type Html } from '../charts/html.js';
import { linePlot, type Series } from '../charts/plot.js';
import { collectKeys, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

const STEP = { title: 'steps', format: '~s' } as const;

/** Gate shares and gradient conflicts from the diagnosed steps. */
export const experts: Section = {
  title: 'Experts and conflicts',
  about:
    'From training.diagnostics. A gate weights each expert; an expert without weight in any gate is dead. A ' +
    'negative cosine means that the gradients of two tasks conflict.',
  draw(runs) {
    const charts = runs.flatMap((run) => drawCharts(run, runs.length > 1));
    return charts.length === 0 ? undefined : html`<div class="charts">${charts}</div>`;
  },
};

function drawCharts({ name, lines: { diagnoses } }: ReportedRun, isNamed: boolean): readonly Html[] {
  if (diagnoses.length === 0) return [];
  const prefixTitle = (title: string): string => (isNamed ? `${name}: ${title}` : title);
  const lines = (values: readonly Readonly<Record<string, number | null | undefined>>[]): readonly Series[] =>
    collectKeys(values).map((key) => ({
      name: key,
      points: diagnoses.flatMap(({ step }, i) =>
        typeof values[i]![key] === 'number' ? [{ x: step, y: values[i]![key] }] : [],
      ),
    }));
  const gates = collectKeys(diagnoses.map(({ diagnosis: { gates: all } }) => all));
  const pairs = diagnoses.map(({ diagnosis: { cosines } }) =>
    Object.fromEntries(
      Object.entries(cosines).flatMap(([a, others]) =>
        Object.entries(others).map(([b, cosine]) => [`${a} and ${b}`, cosine]),
      ),
    ),
  );
  const candidates = [
    {
      title: 'gradient cosine',
      series: lines(pairs),
      y: { title: '', domain: [-1, 1] },
      guide: [
        [diagnoses[0]!.step, 0],
        [diagnoses.at(-1)!.step, 0],
      ],
    },
    {
      title: 'gradient norms on shared parameters',
      series: lines(diagnoses.map(({ diagnosis: { sharedNorms } }) => sharedNorms)),
      y: { title: '' },
    },
    ...gates.map((gate) => ({
      title: `gate of ${gate}`,
      series: lines(diagnoses.map(({ diagnosis }) => diagnosis.gates[gate]?.experts ?? {})),
      y: { title: 'share', format: '~%', zero: true },
    })),
  ] as const;
  const filled = candidates.filter(({ series }) => series.some(({ points }) => points.length > 0));
  return filled.map(({ title, ...look }) =>
    linePlot({ ...look, title: prefixTitle(title), x: STEP, points: diagnoses.length <= 30 }),
  );
}
