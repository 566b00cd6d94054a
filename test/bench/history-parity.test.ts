import { mapsOf, withMaps } from '../support/batches.js';
/** @module-tag long */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { batchesOf, planOf, WORKLOADS, type Workload } from '../../bench/workloads.js';
import type { BagColumn, Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import type { HostTensor } from '../../src/core/tensor.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { needsPython, PYTHON } from '../support/python.js';
import { scratchFile } from '../support/scratch.js';

// Every form of PyTorch in the benchmarks has mtl's loss for the same weights and the same batch.

const ROOT = join(import.meta.dirname, '../..');
const ROWS = 48;
/** Leaves at most a few hundred ids of each field. */
const SCALE = 0.0005;

const named = (name: string): Workload => ({ ...WORKLOADS.find((each) => each.name === name)!, batchRows: ROWS });
const [bst, din, sim] = [named('bst-50'), named('din-50'), named('sim-2000')];
const searched = { ...sim, history: { ...sim.history!, length: 30, top: 7 } };

it('bst-50 has the encoder of configs/sequences/bst.yaml', () => {
  const config = parse(readFileSync(join(ROOT, 'configs/sequences/bst.yaml'), 'utf8')) as {
    readonly features: { readonly clicks: { readonly encoder: object } };
  };
  expect(bst.history!.encoder).toEqual(config.features.clicks.encoder);
});

it.for([
  { name: 'bst-50', script: 'torch_bst.py', work: bst, options: [], within: 1e-5 },
  { name: 'bst-50', script: 'torch_bst.py', work: bst, options: ['--bf16'], within: 1e-4 },
  { name: 'din-50', script: 'torch_din.py', work: din, options: [], within: 1e-5 },
  { name: 'sim', script: 'torch_din.py', work: searched, options: ['--top', '7'], within: 1e-5 },
])(
  'forms of $script have the loss of $name within $within, with $options',
  { timeout: 600_000 },
  async ({ script, work, options, within, ...test }, context) => {
    needsPython(context, 'torch');
    const { loss, file } = await makeCase(work);
    const losses = JSON.parse(
      execFileSync(PYTHON, [join(ROOT, 'bench/peers', script), '--check', file, ...options], { encoding: 'utf8' }),
    ) as Readonly<Record<string, number>>;
    expect(Object.keys(losses)).toEqual(['padded', 'jagged', 'split', 'fold']);
    for (const [form, found] of Object.entries(losses))
      expect(Math.abs(found - loss), `${test.name}, ${form}: ${found}, expected ${loss}`).toBeLessThan(within);
  },
);

/** Draws weights and rows; returns mtl's loss, and the file with both that scripts read. */
async function makeCase(work: Workload): Promise<{ readonly loss: number; readonly file: string }> {
  const { fields } = work.history!;
  const plan = planOf(work, SCALE);
  const batch = sortRows(batchesOf(work, 1, SCALE)[0]!, fields[0]!);
  const program = createCpuEngine(1).compile(plan);
  const random = randomStream(1, 'weights');
  const initial = [...program.state().weights].filter(([name]) => !name.includes('.running'));
  const weights = new Map(
    initial.map(([name, { shape, data }]): [string, HostTensor] => [
      name,
      // Small logits: PyTorch computes the loss from probabilities, which round near 1.
      { shape, data: Float32Array.from(data, () => (name.startsWith('embeddings.') ? 0.3 : 0.15) * random.normal()) },
    ]),
  );
  program.restore({ step: 0, optimizer: new Map(), weights: new Map([...program.state().weights, ...weights]) });
  const { losses } = await program.inspect(batch);
  program.dispose();
  const loss = [...losses.values()].reduce((sum, { mean }) => sum + mean, 0);
  return { loss, file: writeCase(work, batch, weights) };
}

/** Sorts rows by their number of items, as scripts expect, and draws labels of which a third is 1. */
function sortRows(batch: Batch, item: string): Batch {
  const { rows, ids, bags } = mapsOf(batch);
  const { offsets } = bags.get(`history.${item}`)!;
  const lengthOf = (b: number): number => offsets[b + 1]! - offsets[b]!;
  const order = Array.from({ length: rows }, (_, b) => b).sort((a, b) => lengthOf(a) - lengthOf(b));
  const sorted = Uint32Array.from([0, ...order.map(lengthOf)]);
  for (let b = 0; b < rows; b++) sorted[b + 1]! += sorted[b]!;
  const random = randomStream(2, 'labels');
  const click = Float32Array.from({ length: rows }, () => Number(random.uniform() < 0.33));
  return withMaps(batch, {
    ids: new Map([...ids].map(([field, own]) => [field, Uint32Array.from(order, (b) => own[b]!)])),
    bags: new Map(
      [...bags].map(([field, bag]): [string, BagColumn] => {
        const items = order.flatMap((b) => [...bag.ids.subarray(offsets[b], offsets[b + 1])]);
        return [field, { type: 'list', offsets: sorted, ids: Uint32Array.from(items), weights: bag.weights }];
      }),
    ),
    labels: new Map([
      ['click', click],
      ['purchase', click.map((y) => y * Number(random.uniform() < 0.5))],
    ]),
  });
}

/** Writes weights and rows in the order of scripts: fields of the candidate first, and ids in one table. */
function writeCase(work: Workload, batch: Batch, weights: ReadonlyMap<string, HostTensor>) {
  const { rows, ids, bags, labels } = mapsOf(batch);
  const { fields: history } = work.history!;
  const fields = [...ids.keys()];
  const ordered = [...history, ...fields.filter((field) => !history.includes(field))];
  const tables = new Map<string, { readonly begin: number; readonly data: Float32Array }>();
  let begin = 0;
  for (const field of ordered) {
    const { shape, data } = weights.get(`embeddings.${field}`)!;
    tables.set(field, { begin, data });
    begin += shape[0]!;
  }
  const idOf = (field: string, id: number): number => tables.get(field)!.begin + id;
  const bagsOf = history.map((field) => bags.get(`history.${field}`)!);
  const { offsets } = bagsOf[0]!;
  const rowIds = Array.from({ length: rows }, (_, b) => ordered.map((field) => idOf(field, ids.get(field)![b]!)));
  const itemIds = Array.from(bagsOf[0]!.ids, (_, i) => bagsOf.map((bag, f) => idOf(history[f]!, bag.ids[i]!)));
  const columns = planOf(work, SCALE).layout.columns.map(({ field }) => field);
  const dense = [...weights]
    .filter(([name]) => !name.startsWith('embeddings.'))
    // Towers of models have a prefix that those of the attention's graph do not have.
    .map(([name, tensor]) => [name.replace(/^towers\./, ''), tensor] as const);
  const given = dense.map(([name, { shape, data }]) => {
    const isFirst = name === 'ctr.0.weight' || name === 'cvr.0.weight';
    return [name, { shape, data: [...(isFirst ? orderBlocks(data, columns, ordered, work.width * shape[1]!) : data)] }];
  });
  return scratchFile(
    'case.json',
    JSON.stringify({
      lengths: Array.from({ length: rows }, (_, b) => offsets[b + 1]! - offsets[b]!),
      ids: [...rowIds.flat(), ...itemIds.flat()],
      click: [...labels.get('click')!],
      buy: [...labels.get('purchase')!],
      table: ordered.flatMap((field) => [...tables.get(field)!.data]),
      weights: Object.fromEntries(given) as object,
    }),
  );
}

/** Orders blocks of a weight, one per field; what follows them remains. */
function orderBlocks(data: ArrayLike<number>, from: readonly string[], to: readonly string[], size: number): number[] {
  const all = Array.from(data);
  const blocks = to.map((field) => all.slice(from.indexOf(field) * size, (from.indexOf(field) + 1) * size));
  return [...blocks.flat(), ...all.slice(from.length * size)];
}
