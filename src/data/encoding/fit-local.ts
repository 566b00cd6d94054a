import { column, type Batch } from '../../core/batch.js';
import type { Fit } from '../../features/feature.js';
import type { Fitted } from '../../features/feature-types.js';
import { textReader, type StringPool } from '../../features/vocabulary/string-pool.js';
import type { RejectPolicy } from '../rows/rejects.js';
import type { RowFormat } from '../rows/row-format.js';
import { countLeftOut } from '../rows/row-rule.js';
import { createSampler } from '../rows/sampling.js';
import { leftOutOf } from '../shards/left-out.js';
import type { Shards } from '../shards/reader.js';
import { noRows } from './fit.js';
import { eachVector, localBlocks, localTexts, numbersOf } from './local-blocks.js';
import { localRows, type LocalField } from './local-columns.js';

/**
 * Learns from the local rows of files what would be learned from the files: the same cells pass the same fits, in the
 * same order.
 * @param paths of the files
 * @param onShare told the share of a file's rows that passed, and which file
 * @param reasons why rows of the files are invalid, with their counts
 * @throws BadValue for a cell that does not agree with those of a file before it
 * @throws UserError (data)
 */
export async function fitLocalRows(
  locals: readonly Shards[],
  format: RowFormat,
  paths: readonly string[],
  onShare: (share: number, file: number) => void,
  reasons?: RejectPolicy['reasons'],
): Promise<Fitted> {
  const rows = localRows(format);
  const { fits } = rows;
  const observed = rows.fields.filter(({ fit }) => fit !== undefined);
  const { sampling, tasks } = format.spec;
  let count = 0;
  const leftOut = new Map<string, number>();
  for (const [file, shards] of locals.entries()) {
    const sampler = sampling && createSampler(sampling, tasks, rows.columns);
    const texts = await localTexts(shards, observed);
    const observers = observed.map((local) =>
      observer(local, fits.get(local.field.owner)!, texts.get(local.field.name)),
    );
    for await (const { block, share } of localBlocks(shards, rows.columns)) {
      // In files, a row that does not agree with others is bad, also where it would be left out.
      for (const local of observed)
        if (local.form === 'vector') eachVector(block, local.field.name, fits.get(local.field.owner)!.vector!.check);
      const batch = sampler === undefined ? block : sampler.sample(block);
      for (const observe of observers) observe(batch);
      count += batch.rows;
      onShare(share, file);
    }
    countLeftOut(leftOut, [...leftOutOf(shards.manifest), ...(sampler?.leftOut ?? [])]);
  }
  if (count === 0) throw noRows(paths, leftOut, format.spec.filter, reasons);
  return Object.fromEntries([...fits].map(([name, fit]) => [name, fit.finish()]));
}

/** Lets a fit observe the cells of a batch, in their order. */
function observer(
  { form, field: { name } }: LocalField,
  fit: Fit,
  texts: StringPool | undefined,
): (batch: Batch) => void {
  const observeNumber = (value: number): void => fit.direct!.observe(value);
  switch (form) {
    case 'id':
      return (batch) => {
        const ids = column(batch.ids, name);
        for (let r = 0; r < batch.rows; r++) {
          if (ids[r] === 0) fit.observe('');
          else observeNumber(ids[r]! - 1);
        }
      };
    case 'number':
      return (batch) => {
        const numbers = numbersOf(batch, name);
        for (let r = 0; r < batch.rows; r++) {
          if (Number.isNaN(numbers[r])) fit.observe('');
          else observeNumber(numbers[r]!);
        }
      };
    case 'text': {
      const observe = textObserver(fit, texts!);
      return (batch) => {
        const numbers = column(batch.ids, name);
        for (let r = 0; r < batch.rows; r++) observe(numbers[r]!);
      };
    }
    case 'items': {
      const observe = textObserver(fit, texts!);
      return (batch) => {
        const { ids, offsets } = column(batch.bags, name);
        for (let i = 0; i < offsets[batch.rows]!; i++) observe(ids[i]!);
      };
    }
    case 'vector':
      return (batch) => eachVector(batch, name, fit.vector!.observe);
    case 'encoded':
      return () => undefined;
  }
}

/** Lets a fit observe texts by their numbers. One that counts texts has a short way to those that it knows. */
function textObserver(fit: Fit, texts: StringPool): (number: number) => void {
  const textAt = textReader(texts);
  const { direct } = fit;
  if (direct?.cell === 'token') {
    const known = new Uint32Array(texts.offsets.length);
    return (number) => {
      if (known[number] !== 0) return direct.observe(known[number]!);
      fit.observe(textAt(number));
      known[number] = direct.idOf(texts.bytes, texts.offsets[number]!, texts.offsets[number + 1]!);
    };
  }
  if (direct?.cell === 'id') {
    const ids = new Float64Array(texts.offsets.length).fill(NaN);
    return (number) => {
      if (Number.isNaN(ids[number])) {
        const text = textAt(number);
        if (text === '') return fit.observe(text);
        ids[number] = Number(text);
      }
      direct.observe(ids[number]!);
    };
  }
  const seen = new Array<string | undefined>(texts.offsets.length);
  return (number) => fit.observe((seen[number] ??= textAt(number)));
}
