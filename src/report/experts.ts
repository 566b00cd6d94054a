import { html, type Html } from '../charts/html.js';
import { linePlot, type Series } from '../charts/plot.js';
import { namesIn, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

const STEP = { title: 'steps', format: '~s' } as const;

/** What the steps that were looked into tell of experts and of conflicts between tasks. */
export const experts: Section = {
  title: 'Experts and conflicts',
  about:
    'From training.diagnostics. A gate gives each expert a share; one that no gate gives anything is dead. A cosine below 0 says that what one task learns undoes what the other does.',
  draw(runs) {
    const charts = runs.flatMap((run) => chartsOf(run, runs.length > 1));
    return charts.length === 0 ? undefined : html`<div class="charts">${charts}</div>`;
  },
};

function chartsOf({ name, lines: { diagnoses } }: ReportedRun, isNamed: boolean): readonly Html[] {
  if (diagnoses.length === 0) return [];
  const titled = (title: string): string => (isNamed ? `${name}: ${title}` : title);
  const lines = (values: readonly Readonly<Record<string, number | null | undefined>>[]): readonly Series[] =>
    namesIn(values).map((key) => ({
      name: key,
      points: diagnoses.flatMap(({ step }, i) =>
        typeof values[i]![key] === 'number' ? [{ x: step, y: values[i]![key] }] : [],
      ),
    }));
  const gates = namesIn(diagnoses.map(({ diagnosis: { gates: all } }) => all));
  const pairs = diagnoses.map(({ diagnosis: { cosines } }) =>
    Object.fromEntries(
      Object.entries(cosines).flatMap(([a, others]) =>
        Object.entries(others).map(([b, cosine]) => [`${a} and ${b}`, cosine]),
      ),
    ),
  );
  const wanted = [
    {
      title: 'cosine between gradients',
      series: lines(pairs),
      y: { title: '', domain: [-1, 1] },
      guide: [
        [diagnoses[0]!.step, 0],
        [diagnoses.at(-1)!.step, 0],
      ],
    },
    {
      title: 'norms of gradients on what is shared',
      series: lines(diagnoses.map(({ diagnosis: { sharedNorms } }) => sharedNorms)),
      y: { title: '' },
    },
    ...gates.map((gate) => ({
      title: `gate of ${gate}`,
      series: lines(diagnoses.map(({ diagnosis }) => diagnosis.gates[gate]?.experts ?? {})),
      y: { title: 'share', format: '~%', zero: true },
    })),
  ] as const;
  const filled = wanted.filter(({ series }) => series.some(({ points }) => points.length > 0));
  return filled.map(({ title, ...look }) =>
    linePlot({ ...look, title: titled(title), x: STEP, points: diagnoses.length <= 30 }),
  );
}
