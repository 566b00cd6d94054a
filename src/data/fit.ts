import { userError } from '../errors.js';
import type { Field, Fit } from '../features/feature.js';
import type { Fitted } from '../features/features.js';
import { cellReader, funnelCheck, rowReader, type RowSource } from './rows.js';
import type { RejectPolicy } from './rejects.js';
import type { RowFormat } from './row-format.js';

/**
 * Learns vocabularies and scales from the rows of train that will be trained on, in one pass; no pass where nothing is to be
 * learned.
 * @param onShare told the share of the file that was read
 */
export async function fitFeatures(
  source: RowSource,
  format: RowFormat,
  policy: RejectPolicy,
  onShare: (share: number) => void,
): Promise<Fitted> {
  const { fields, labels } = format;
  const fits = new Map<string, Fit>();
  for (const field of fields) {
    const fit = field.owner === field.name ? field.startFit() : undefined;
    if (fit !== undefined) fits.set(field.name, fit);
  }
  if (fits.size === 0) return {};

  const readers = [
    ...labels.map(({ name, parse }) => ({ columns: [name], read: (text: string) => void parse(text) })),
    // A row that any column refuses must not be learned from.
    ...fields.map((field) => {
      const fit = fits.get(field.owner);
      return { columns: field.columns, read: eachKey(field, fit === undefined ? field.encoder(undefined).encode : fit.check) };
    }),
  ];
  const isGood = rowReader(source, readers, funnelCheck(source, format), policy);
  const observers = fields.flatMap((field) => {
    const fit = fits.get(field.owner);
    const cellOf = cellReader(field.columns, source.indices);
    return fit === undefined ? [] : [{ cellOf, observe: eachKey(field, (key) => fit.observe(key)) }];
  });
  let count = 0;
  for await (const { rows, lines, progress } of source.csv.rows()) {
    rows.forEach((cells, r) => {
      if (!isGood(cells, lines[r]!)) return;
      count++;
      for (const { cellOf, observe } of observers) observe(cellOf(cells));
    });
    onShare(progress);
  }
  if (count === 0) throw noRows(source.csv.path);
  return Object.fromEntries([...fits].map(([name, fit]) => [name, fit.finish()]));
}

/** Takes a cell of a field, and each item of a bag, to a function of the text that is encoded. */
function eachKey(field: Field, take: (key: string) => void): (text: string) => void {
  return field.kind === 'bag' ? (text) => field.split(text, take) : take;
}

/** The error for a data set without a usable row. */
export function noRows(path: string): Error {
  return userError('data', { where: path, message: 'expected rows below the header, found none that can be used' });
}
