import { column, type Batch } from '../../core/batch.js';
import type { EncodedField } from '../../features/feature-types.js';
import { textReader, type StringPool } from '../../features/vocabulary/string-pool.js';
import { appendRows, blockColumns, createRowBlock, type BlockColumn, type RowBlock } from '../rows/row-block.js';
import type { EncodedFormat } from '../rows/row-format.js';
import type { LeftOut } from '../rows/row-rule.js';
import { createSampler } from '../rows/sampling.js';
import { keyTextsOf } from '../shards/key-texts.js';
import { leftOutOf } from '../shards/left-out.js';
import type { Shards } from '../shards/reader.js';
import type { ShardWriter } from '../shards/writer.js';
import { eachVector, localBlocks, localTexts, numbersOf } from './local-blocks.js';
import { localRows, type LocalForm } from './local-columns.js';

/**
 * Encodes the local rows of a file as those of the file would be.
 * @returns which rows were left out
 * @throws BadValue for a cell that does not agree with what was learned
 */
export async function encodeLocalRows(
  shards: Shards,
  format: EncodedFormat,
  writer: ShardWriter,
  onShare: (share: number) => void,
): Promise<LeftOut> {
  const { fields, columns } = localRows(format);
  const texts = await localTexts(shards, fields);
  const into = blockColumns(format);
  const encoders = fields.map(({ form }, i) => encoder(form, format.fields[i]!, texts.get(format.fields[i]!.name)));
  const isAsItIs = new Set(fields.filter(({ form }) => form === 'encoded').map(({ field }) => field.name));
  const same = into.filter(({ name, kind }) => kind === 'label' || kind === 'key' || isAsItIs.has(name));
  const { sampling, tasks } = format.spec;
  const sampler = sampling && createSampler(sampling, tasks, columns);
  // In files, a row that does not agree with others is bad, also where it would be left out.
  const checks =
    sampler === undefined
      ? []
      : fields.flatMap(({ form }, i) => (form === 'vector' ? [vectorCheck(format.fields[i]!)] : []));
  let block = createRowBlock(into, 0);
  let capacity = 0;
  for await (const { block: local, share } of localBlocks(shards, columns)) {
    for (const check of checks) check(local);
    const batch = sampler === undefined ? local : sampler.sample(local);
    if (batch.rows > capacity) [capacity, block] = [batch.rows, createRowBlock(into, batch.rows)];
    block.rows = 0;
    appendRows(batch, 0, batch.rows, partOf(block, same));
    for (const encode of encoders) encode?.(batch, block);
    block.rows = batch.rows;
    await writer.add(block);
    onShare(share);
  }
  if (format.keys.length > 0) writer.addKeyTexts(keyTextsOf(shards.manifest));
  return new Map([...leftOutOf(shards.manifest), ...(sampler?.leftOut ?? [])]);
}

/** Some columns of a block, in the same memory. */
function partOf(block: RowBlock, columns: readonly BlockColumn[]): RowBlock {
  const names = new Set(columns.map(({ name }) => name));
  const some = <Data>(all: ReadonlyMap<string, Data>): ReadonlyMap<string, Data> =>
    new Map([...all].filter(([name]) => names.has(name)));
  return {
    rows: block.rows,
    ids: some(block.ids),
    numbers: some(block.numbers),
    bags: some(block.bags),
    labels: some(block.labels),
    vectors: some(block.vectors),
    keys: some(block.keys),
  };
}

/** Encodes a field of a batch into a block with room for it; undefined where it is encoded. */
function encoder(
  form: LocalForm,
  field: EncodedField,
  texts: StringPool | undefined,
): ((batch: Batch, block: RowBlock) => void) | undefined {
  const { name, kind, direct, encode } = field;
  const target = ({ ids, numbers }: RowBlock): Uint32Array | Float32Array =>
    kind === 'id' ? ids.get(name)! : numbers.get(name)!;
  switch (form) {
    case 'encoded':
      return undefined;
    case 'id':
      return (batch, block) => {
        const [from, into] = [column(batch.ids, name), target(block)];
        const below = direct?.cell === 'id' ? direct.below : 0;
        for (let r = 0; r < batch.rows; r++)
          into[r] = from[r] === 0 ? encode('') : from[r]! - 1 < below ? from[r]! - 1 : encode(String(from[r]! - 1));
      };
    case 'number':
      return (batch, block) => {
        const [from, into] = [numbersOf(batch, name), target(block)];
        const encodeNumber = direct?.cell === 'number' ? direct.encode : (value: number) => encode(String(value));
        for (let r = 0; r < batch.rows; r++) into[r] = Number.isNaN(from[r]) ? encode('') : encodeNumber(from[r]!);
      };
    case 'text': {
      const encodeText = textEncoder(encode, texts!);
      return (batch, block) => {
        const [from, into] = [column(batch.ids, name), target(block)];
        for (let r = 0; r < batch.rows; r++) into[r] = encodeText(from[r]!);
      };
    }
    case 'items': {
      const encodeText = textEncoder(encode, texts!);
      return (batch, block) => {
        const { ids, weights, offsets } = column(batch.bags, name);
        const bag = block.bags.get(name)!;
        for (let r = 0; r < batch.rows; r++) {
          bag.open(r);
          for (let i = offsets[r]!; i < offsets[r + 1]!; i++) bag.add(encodeText(ids[i]!), weights[i]!);
          bag.close(r);
        }
      };
    }
    case 'vector':
      return (batch, block) => {
        const { width, data } = block.vectors.get(name)!;
        eachVector(batch, name, (values, row) => field.vector!(values, data, row * width));
      };
  }
}

/** Refuses rows whose vectors cannot be encoded. */
function vectorCheck({ name, width, vector }: EncodedField): (batch: Batch) => void {
  const encoded = new Float32Array(width);
  return (batch) => eachVector(batch, name, (values) => vector!(values, encoded, 0));
}

/** Encodes texts by their numbers, each text once. */
function textEncoder(encode: (text: string) => number, texts: StringPool): (number: number) => number {
  const textAt = textReader(texts);
  const encoded = new Float64Array(texts.offsets.length);
  const isEncoded = new Uint8Array(texts.offsets.length);
  return (number) => {
    if (isEncoded[number] === 0) {
      encoded[number] = encode(textAt(number));
      isEncoded[number] = 1;
    }
    return encoded[number]!;
  };
}
