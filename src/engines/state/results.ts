import { column, type Batch } from '../../core/batch.js';
import type { HostTensor } from '../../core/tensor.js';
import { domainName, selectedOffsets, type Domain } from '../../graph/domain.js';
import type { Value } from '../../graph/operations.js';
import { countWords, type Ref, type View } from '../compile/buffers.js';
import type { Layout } from '../compile/layout.js';
import type { TablePlace } from '../compile/tables.js';
import { tableTensor, type StepResult, type TermLoss } from '../engine.js';
import { unpackGramian } from '../step-rows.js';
import type { Image } from './image.js';
import { domainRows } from './items.js';
import type { Store } from './store.js';

/** Views of a memory without tables. */
type Views = Pick<Image, 'floats' | 'doubles' | 'wordAt'>;

/** What a step leaves in memory. */
export interface Results {
  /** Returns the loss of each term in the last pass. */
  losses(): Map<string, TermLoss>;
  /** Returns the norms of the last update; NaN if the plan does not clip by norm. */
  norms(): StepResult['norms'];
}

/** Creates a reader of results; positions are resolved once. */
export function createResults({ terms, norms, plan }: Layout, { doubles, wordAt }: Views): Results {
  const clip = plan.step?.clip;
  const lossesAt = [...terms].map(([name, { loss }]) => ({ name, at: wordAt(loss) / 2 }));
  const normsAt = wordAt(norms) / 2;
  return {
    losses: () => new Map(lossesAt.map(({ name, at }) => [name, { mean: doubles[at]!, rows: doubles[at + 1]! }])),
    norms: () =>
      clip === undefined
        ? { dense: NaN, embeddings: NaN }
        : { dense: doubles[normsAt]!, embeddings: doubles[normsAt + (clip.separate ? 1 : 0)]! },
  };
}

/** Copies the first column of some rows of a view to `into`, from index `begin` on. */
export function copyColumn(view: View, rows: number, { floats, wordAt }: Views, into: Float32Array, begin = 0): void {
  const first = wordAt(view);
  for (let b = 0; b < rows; b++) into[begin + b] = floats[first + b * view.ld]!;
}

/**
 * Copies the weights of the items of a batch that was predicted last, by attention of the graph.
 * @throws Error for a batch of several passes
 */
export function readAttention(
  { graph, places, maxRows }: Pick<Layout, 'graph' | 'places' | 'maxRows'>,
  batch: Batch,
  image: Views,
): readonly Float32Array[] {
  if (batch.rows > maxRows) throw new Error(`the batch has ${batch.rows} rows; a pass has at most ${maxRows}`);
  const read = (value: Value): Float32Array => {
    const elements = new Float32Array(domainRows(value.rows, batch, 0, batch.rows));
    copyColumn(places.of(value).value, elements.length, image, elements);
    return elements;
  };
  return (graph.attention ?? []).map(({ weights, positions }) =>
    positions === undefined ? read(weights) : scatterSelected(read(weights), read(positions), positions.rows, batch),
  );
}

/**
 * Scatters elements of selected items to all items of their rows; others are NaN.
 * @param positions number of later items of the row, for each selected item
 */
function scatterSelected(elements: Float32Array, positions: Float32Array, domain: Domain, batch: Batch): Float32Array {
  if (domain.kind !== 'selected') throw new Error(`rows of ${domainName(domain)} are not selected`);
  const { offsets } = column(batch, domain.field, 'list');
  const own = selectedOffsets(offsets.subarray(0, batch.rows + 1), domain.count);
  const all = new Float32Array(offsets[batch.rows]!).fill(NaN);
  for (let b = 0; b < batch.rows; b++)
    for (let i = own[b]!; i < own[b + 1]!; i++) all[offsets[b + 1]! - 1 - positions[i]!] = elements[i]!;
  return all;
}

/** Returns the inner products between the gradients of terms on shared parameters. */
export function readGramian(
  areas: number,
  { at, count }: { readonly at: Ref | undefined; readonly count: number },
  { doubles, wordAt }: Views,
): Float64Array {
  if (at === undefined) throw new Error('the plan does not combine terms');
  const begin = wordAt(at) / 2;
  return unpackGramian(areas, doubles.subarray(begin, begin + (count * areas * (areas + 1)) / 2));
}

/**
 * Copies the gradients of tables, with zeros for rows that the batch does not touch.
 * @param distinctOf returns the distinct rows of a table, in the order of their gradients
 */
export function readTableGradients(
  tables: readonly TablePlace[],
  { floats, wordAt }: Views,
  distinctOf: (table: TablePlace) => Uint32Array,
): Map<string, HostTensor> {
  return new Map(
    tables.map((table) => {
      const { name, rows, width, gradients } = table;
      const first = wordAt(gradients);
      const data = new Float32Array(rows * width);
      for (const [u, row] of distinctOf(table).entries())
        data.set(floats.subarray(first + u * width, first + (u + 1) * width), row * width);
      return [tableTensor(name), { shape: [rows, width], data }];
    }),
  );
}

/** Copies the dense gradients of a pass, by parameter. */
export function readDenseGradients(
  { graph, passGradients }: Pick<Layout, 'graph' | 'passGradients'>,
  store: Store,
): Map<string, HostTensor> {
  return new Map(
    graph.parameters
      .filter(({ isTrainable }) => isTrainable)
      .map((parameter) => {
        const { shape, data } = store.tensorOf(parameter, passGradients.at);
        return [parameter.name, { shape, data: data.slice() }];
      }),
  );
}

/** Returns the distinct rows of a table that the kernels of the CPU engine have found. */
export function readDistinct({ distinct, count }: TablePlace, { words, wordAt }: Image): Uint32Array {
  const begin = wordAt(distinct);
  return words.subarray(begin, begin + words[wordAt(count)]!);
}

/** Writes the initial value of each buffer that has one, and returns what was written. */
export function fillBuffers(
  { buffers, maxRowsOf }: Pick<Layout, 'buffers' | 'maxRowsOf'>,
  { floats, wordAt }: Views,
): readonly { readonly at: Ref; readonly words: number }[] {
  return buffers.all
    .filter(({ fill }) => fill !== 0)
    .map((buffer) => {
      const range = { at: { buffer, offset: 0 }, words: countWords(buffer, maxRowsOf) };
      const begin = wordAt(range.at);
      floats.fill(buffer.fill, begin, begin + range.words);
      return range;
    });
}
