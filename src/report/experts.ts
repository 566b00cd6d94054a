import { renderCharts, type Html } from '../charts/html.js';
import { collectSeries, linePlot, type Series } from '../charts/plot.js';
import type { DiagnosisLine } from '../runs/metric-lines.js';
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
    return renderCharts(runs.flatMap((run) => drawCharts(run, runs.length > 1)));
  },
};

function drawCharts({ name, lines: { diagnoses } }: ReportedRun, isNamed: boolean): readonly Html[] {
  if (diagnoses.length === 0) return [];
  const prefixTitle = (title: string): string => (isNamed ? `${name}: ${title}` : title);
  const lines = (
    getValues: (line: DiagnosisLine['diagnosis']) => Readonly<Record<string, number | null | undefined>>,
  ): readonly Series[] =>
    collectSeries(
      diagnoses,
      ({ step }) => step,
      ({ diagnosis }) => Object.entries(getValues(diagnosis)),
    );
  const gates = collectKeys(diagnoses.map(({ diagnosis: { gates: all } }) => all));
  const candidates = [
    {
      title: 'gradient cosine',
      series: lines(({ cosines }) => pairCosines(cosines)),
      y: { title: '', domain: [-1, 1] },
      guide: [
        [diagnoses[0]!.step, 0],
        [diagnoses.at(-1)!.step, 0],
      ],
    },
    {
      title: 'gradient norms on shared parameters',
      series: lines(({ sharedNorms }) => sharedNorms),
      y: { title: '' },
    },
    ...gates.map((gate) => ({
      title: `gate of ${gate}`,
      series: lines(({ gates: all }) => all[gate]?.experts ?? {}),
      y: { title: 'share', format: '~%', zero: true },
    })),
  ] as const;
  const filled = candidates.filter(({ series }) => series.some(({ points }) => points.length > 0));
  return filled.map(({ title, ...look }) =>
    linePlot({ ...look, title: prefixTitle(title), x: STEP, points: diagnoses.length <= 30 }),
  );
}

/** Flattens the cosines of pairs of tasks. */
function pairCosines(cosines: DiagnosisLine['diagnosis']['cosines']): Readonly<Record<string, number | null>> {
  return Object.fromEntries(
    Object.entries(cosines).flatMap(([a, others]) =>
      Object.entries(others).map(([b, cosine]) => [`${a} and ${b}`, cosine]),
    ),
  );
}
