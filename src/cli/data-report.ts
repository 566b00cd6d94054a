import type { DataDescription, FieldDescription, SequenceDescription } from '../data/info/describe-data.js';
import { SPLITS } from '../data/options.js';
import { OTHER_PART } from '../data/rows/row-filter.js';
import { count, percent, table } from './format.js';
import type { Terminal } from './terminal.js';

/** Formats a data description as tables: splits, fields, and likely problems. */
export function dataReport({ splits, fields, sequences, warnings }: DataDescription, screen: Terminal): string {
  const tasks = Object.keys(splits[0]?.tasks ?? {});
  const rows = splits.map(({ split, rows: found, badRows, leftOut, tasks: byTask }) => [
    split,
    count(found),
    count(badRows),
    count(Object.entries(leftOut).reduce((sum, [reason, left]) => (reason === OTHER_PART ? sum : sum + left), 0)),
    ...tasks.map((task) => formatMean(byTask[task]!, found)),
  ]);
  const excluded = splits.flatMap(({ split, leftOut }) =>
    Object.entries(leftOut)
      .filter(([reason]) => reason !== OTHER_PART)
      .map(([reason, left]) => screen.dim(`  ${split}: ${count(left)} rows excluded: ${reason}`)),
  );
  const names = SPLITS.filter((split) => splits.some((each) => each.split === split));
  const byDrift = [...fields].sort((a, b) => maxDrift(b.drift) - maxDrift(a.drift));
  const header = [
    'field',
    'kind',
    'values',
    'missing',
    ...names.map((split) => `OOV ${split}`),
    ...names.slice(1).map((split) => `drift ${split}`),
    ...tasks.map((task) => `AUC ${task}`),
  ];
  const lines = byDrift.map((field) => formatField(field, names, tasks));
  const vectors = fields.flatMap((field) =>
    field.vectors === undefined ? [] : [formatVector(field.name, field.vectors, names)],
  );
  return [
    table(['split', 'rows', 'invalid', 'excluded', ...tasks], rows, screen),
    ...excluded,
    '',
    table(header, lines, screen),
    ...vectors.map((line) => screen.dim(line)),
    ...(sequences.length > 0 ? ['', table(SEQUENCE_HEADER, sequences.flatMap(formatSequence), screen)] : []),
    ...(warnings.length > 0 ? ['', ...warnings] : []),
  ].join('\n');
}

function formatField(
  { name, kind, values, hasMoreValues, blanks, unknown, drift, auc }: FieldDescription,
  names: readonly (typeof SPLITS)[number][],
  tasks: readonly string[],
): readonly string[] {
  const share = (value: number | undefined): string => (value === undefined ? '-' : percent(value));
  return [
    name,
    kind,
    values === undefined ? '-' : `${count(values)}${hasMoreValues === true ? '+' : ''}`,
    share(blanks.train),
    ...names.map((split) => share(unknown[split])),
    ...names.slice(1).map((split) => drift[split]?.toFixed(3) ?? '-'),
    ...tasks.map((task) => auc[task]?.toFixed(4) ?? '-'),
  ];
}

function formatVector(
  name: string,
  { length, mean, norm }: NonNullable<FieldDescription['vectors']>,
  names: readonly (typeof SPLITS)[number][],
): string {
  const each = (found: FieldDescription['drift']): string =>
    names.map((split) => `${found[split]?.toPrecision(3) ?? '-'} on ${split}`).join(', ');
  return `  ${name}: ${count(length)} elements per row; mean ${each(mean)}; norm ${each(norm)}`;
}

const SEQUENCE_HEADER = ['sequence', 'split', 'min', 'median', 'p95', 'max', 'empty', 'full', 'truncated'];

function formatSequence({ name, maxItems, lengths }: SequenceDescription): readonly (readonly string[])[] {
  return SPLITS.flatMap((split) => {
    const own = lengths[split];
    if (own === undefined) return [];
    const { min, median, p95, max, empty, full, truncated } = own;
    return [
      [
        name,
        split,
        ...[min, median, p95, max].map(count),
        percent(empty),
        `${percent(full)} (${count(maxItems)} items)`,
        percent(truncated),
      ],
    ];
  });
}

function formatMean({ rows, mean }: { readonly rows: number; readonly mean: number }, all: number): string {
  const text = mean >= 0 && mean <= 1 ? percent(mean) : mean.toPrecision(4);
  return rows === all ? text : `${text} of ${count(rows)}`;
}

function maxDrift(drift: FieldDescription['drift']): number {
  return Math.max(0, ...Object.values(drift));
}
