import { withMaps } from '../support/batches.js';
/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import { SIGNATURES } from '../../src/engines/compile/kernel-signatures.js';
import { FAMILIES, VARIANTS } from '../../src/engines/cpu/native/build.js';
import type { Plan } from '../../src/engines/engine.js';
import type { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/operations.js';
import { optimizers } from '../../src/optimizers/optimizers.js';
import { quantizeTables } from '../../src/runs/quantized-tables.js';
import type { InputLayout } from '../../src/tables/layout.js';
import type { TableFormat } from '../../src/tables/row-formats.js';
import { LOSS_CASES } from '../support/every-operation.js';
import { numericBatch, planOf } from '../support/graph-plan.js';
import { needsAddon } from '../support/native.js';
import { recordBytes, recordLists, type RecordedList } from '../support/recorded-list.js';
import { scratchFolder } from '../support/scratch.js';
import { batchOf as sequencesOf, din, planWith, sequenceLayout } from '../support/sequences.js';
import { sharedTableBatch, sharedTablePlan } from '../support/shared-table.js';

// Whole steps of programs that use every kernel, recorded with WebAssembly and replayed by the C kernels in a program
// of their own, which sanitizers and emulators can run.

/** Three workers have rows of their own, and the last one no whole vector. */
const ROWS = 43;
const WIDTH = 5;

/** Kernels of which no list of one process consists. */
const OF_OTHERS = [
  'batchSumTogether', 'batchSums', 'countRows', 'exchangeRows', 'exchangeWeights', 'join', 'normalizeGradientSums',
  'normalizeGradientTogether', 'normalizeSquares', 'normalizeSums', 'normalizeTogether', 'watchAll',
]; // prettier-ignore

/** Numbers, an id and a bag of one table, and a sequence of its items. */
const LAYOUT: InputLayout = {
  width: 4 + 2 * WIDTH,
  tables: [{ name: 'item', rows: 60, width: WIDTH }],
  columns: [
    ...[0, 1, 2, 3].map((i) => ({ kind: 'number' as const, field: `x${i}`, offset: i, width: 1 })),
    { kind: 'id', field: 'target', table: 'item', offset: 4, width: WIDTH },
    { kind: 'bag', field: 'tags', table: 'item', offset: 4 + WIDTH, width: WIDTH, pooling: 'mean' },
  ],
  sequences: [sequenceLayout({ field: 'clicked', table: 'item', width: WIDTH, maxItems: 6 })],
};

/** A batch of random rows for the layout. */
function batchOf(seed: number): Batch {
  const random = randomStream(seed, 'replay');
  const bagOf = () => {
    const offsets = new Uint32Array(ROWS + 1);
    for (let b = 0; b < ROWS; b++) offsets[b + 1] = offsets[b]! + (b % 4 === 0 ? 0 : random.below(7));
    const ids = Uint32Array.from({ length: offsets[ROWS]! }, () => random.below(60));
    return { offsets, ids, weights: Float32Array.from({ length: ids.length }, () => random.uniform()) };
  };
  return withMaps(numericBatch(ROWS, 4, seed), {
    ids: new Map([['target', Uint32Array.from({ length: ROWS }, () => random.below(60))]]),
    bags: new Map([
      ['tags', bagOf()],
      ['clicked', bagOf()],
    ]),
  });
}

/** A value that depends on the items in every way that operations on items allow. */
function interest(g: GraphBuilder, input: Value): Value {
  const items = g.input({ kind: 'items', field: 'clicked', table: 'item' }, WIDTH);
  const both = g.multiply(g.expand(g.slice(input, 4, WIDTH), 'clicked'), g.add(items, g.shift(items, 1)));
  const scores = g.linear(g.concat([both, g.itemPosition('clicked')]), 1, 'attention');
  const weights = g.segmentSoftmax(scores);
  const pooled = g.segmentPool(g.mixture(weights, [both]), 'sum');
  const attended = g.segmentPool(
    g.segmentAttention(g.linear(both, 18, 'queries'), g.linear(items, 18, 'keys'), g.linear(items, 18, 'values'), {
      heads: 2,
      isCausal: true,
    }),
    'sum',
  );
  const own = g.segmentPool(g.segmentAttention(items, items, items, { heads: 1, isCausal: false }), 'sum');
  const states = g.segmentPool(g.segmentGru(g.linear(both, 24, 'gates'), 'unit', weights), 'max');
  const weighted = g.segmentPool(items, 'sum', weights);
  const whole = [g.segmentPool(items, 'mean'), g.segmentPool(items, 'max')];
  return g.concat([attended, own, states, pooled, weighted, ...whole, found(g, items, g.slice(input, 4, WIDTH))]);
}

/** The items whose products with a query, or whose hashes, are best. */
function found(g: GraphBuilder, items: Value, query: Value): Value {
  const scores = [g.itemProduct(items, query), g.hashMatches(items, query, 21, 'projection')];
  return g.concat(scores.map((each) => g.segmentPool(g.gatherItems(items, g.selectTop(each, 2)), 'sum')));
}

/** Options of a step that add kernels of their own. */
const STEPS: readonly NonNullable<Plan['step']>[] = [
  { isDiagnosed: true, combinesTerms: true },
  { clip: { norm: 0.5, separate: false } },
  { precision: 'bf16' },
  { average: { decay: 0.9 } },
];

/** A step that combines terms has a backward pass for each. */
const MAX_COMBINED = 3;

/** A plan of every operation and loss, or of some losses if a step combines their gradients. */
function everyOperation(step: NonNullable<Plan['step']>): Plan {
  const losses = [...LOSS_CASES].slice(0, step.combinesTerms === true ? MAX_COMBINED : undefined);
  const plan = planOf(LAYOUT, (g, input, y) => {
    const x = g.concat([input, interest(g, input)]);
    const terms = losses.map(([name, build], i) => ({ name, weight: 1, loss: build(g, x, y, `case${i}`) }));
    return { terms, predictions: { p: g.activation(g.linear(x, 1, 'prediction'), 'sigmoid', 'p') } };
  });
  return { ...plan, step };
}

/** A plan of a layer above the tables, with a rule for all weights. */
function everyWeight(optimizer: string): Plan {
  const [[name, build]] = [...LOSS_CASES] as [[string, NonNullable<ReturnType<(typeof LOSS_CASES)['get']>>]];
  const plan = planOf(LAYOUT, (g, input, y) => {
    const items = g.input({ kind: 'items', field: 'clicked', table: 'item' }, WIDTH);
    const x = g.linear(g.concat([input, g.segmentPool(items, 'sum')]), 9, 'layer');
    return { terms: [{ name, weight: 1, loss: build(g, x, y, 'case') }], predictions: { p: g.linear(x, 1, 'p') } };
  });
  const part = optimizers.schema.parse({ name: optimizer });
  const dense = optimizer === 'row-wise-adagrad' ? plan.optimizers.dense : part;
  return { ...plan, optimizers: { dense, embeddings: { ...part, lazy: true } } as Plan['optimizers'] };
}

/** Records the evaluation of a program whose tables are quantized. */
async function recordQuantized(tableFormat: TableFormat): Promise<readonly RecordedList[]> {
  const plan = { ...everyWeight('sgd'), batchRows: ROWS };
  const { step, weights } = recordLists(plan).program.state();
  const { program, recorded } = recordLists({ ...plan, tableFormat, isRestored: true });
  program.restore({ step, weights: quantizeTables(weights, tableFormat, '', {}), optimizer: new Map() });
  await program.evaluate(batchOf(3));
  return recorded;
}

/**
 * Records a step of every operation with each kind of step, its evaluation, two steps of every optimizer, and
 * predictions from quantized tables.
 */
async function record(): Promise<readonly RecordedList[]> {
  // Gradients of several passes accumulate.
  const passes = recordLists({ ...planWith(din, { rows: 2 * ROWS }), batchRows: ROWS });
  await passes.program.trainStep(sequencesOf(2 * ROWS, 1));
  // Workers share a table that has most ids.
  const shared = recordLists(sharedTablePlan(18, { combinesTerms: true, rows: 2 * ROWS }, ROWS));
  await shared.program.trainStep(sharedTableBatch(2 * ROWS, 1));
  const all: RecordedList[] = [...passes.recorded, ...shared.recorded];
  const operations = STEPS.map((step) => recordLists({ ...everyOperation(step), batchRows: ROWS }));
  for (const { program } of operations) await program.trainStep(batchOf(1));
  await operations.at(-1)!.program.evaluate(batchOf(3));
  all.push(...operations.flatMap(({ recorded }) => recorded));
  for (const [i, name] of optimizers.names.entries()) {
    const step = STEPS[i % STEPS.length]!;
    const { program, recorded } = recordLists({ ...everyWeight(name), step, batchRows: ROWS });
    for (const seed of [1, 2]) await program.trainStep(batchOf(seed));
    all.push(...recorded);
  }
  for (const format of ['fp16', 'int8'] as const) all.push(...(await recordQuantized(format)));
  return all;
}

let recording: ReturnType<typeof record>;
// The promise is memoized, so that each test awaits the same lists.
beforeAll(() => void (recording = record()));

const SOURCES = join(import.meta.dirname, '..', '..', 'src', 'kernels');
const FLAGS = ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-ffp-contract=off', '-fno-math-errno', '-pthread'];

/** Compiles the kernels and replay.c; returns the path of the program. */
function buildReplay(arch: 'x64' | 'arm64', compiler: string, flags: readonly string[]): string {
  const folder = scratchFolder();
  const compile = (...args: readonly string[]): unknown =>
    execFileSync(compiler, [...FLAGS, ...flags, '-I', SOURCES, ...args], { cwd: folder, stdio: 'pipe' });
  const files = readdirSync(SOURCES).filter((name) => name.endsWith('.c') && !['addon.c', 'team.c'].includes(name));
  const forms = [
    ...Object.entries(FAMILIES[arch]!).map(([name, of]) => ({ name, flags: of, sources: files })),
    ...(VARIANTS[arch] ?? []),
  ];
  const objects = forms.flatMap(({ name, flags: of, sources }) =>
    sources.map((file) => {
      compile(...of, '-c', join(SOURCES, file), '-o', `${file}-${name}.o`);
      return `${file}-${name}.o`;
    }),
  );
  const replay = join(import.meta.dirname, '..', 'support', 'replay.c');
  compile(replay, join(SOURCES, 'team.c'), ...objects, '-o', 'replay');
  return join(folder, 'replay');
}

/** Replays a list; returns the families that ran it and left other bytes than WebAssembly. */
function replay(command: readonly string[], threads: number, list: RecordedList) {
  const path = join(scratchFolder(), 'record');
  writeFileSync(path, recordBytes(list));
  const [program, ...args] = [...command, String(threads), path, path];
  // GCC aligns its copies of stack variables to 32 bytes, and those of AVX-512 need 64.
  const env = { ...process.env, ASAN_OPTIONS: 'detect_stack_use_after_return=0' };
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 300_000, env });
  expect([status, stderr]).toEqual([0, '']);
  const families = stdout.trim().split('\n');
  // WebAssembly has its stack below the barrier, which counts its generations.
  const withoutTeam = (bytes: Buffer): Buffer => {
    bytes.fill(0, 0, list.barrier + 64);
    for (const { at, words } of list.ofTeam) bytes.fill(0, at, at + 4 * words);
    return bytes;
  };
  const after = withoutTeam(Buffer.from(list.after));
  const different = families.filter((family) => !withoutTeam(readFileSync(`${path}.${family}`)).equals(after));
  return { families, different };
}

describe('C kernels outside of Node', () => {
  it('are all used by the recorded lists', async () => {
    const used = new Set((await recording).flatMap(({ kernels }) => kernels));
    const unused = Object.keys(SIGNATURES).filter((name) => !used.has(name as never) && !OF_OTHERS.includes(name));
    expect(unused).toEqual([]);
  });

  it.for([
    ['the address and undefined-behavior sanitizers', 1, ['-fsanitize=address,undefined', '-fno-sanitize-recover=all']],
    ['the thread sanitizer, in three threads', 3, ['-fsanitize=thread']],
  ] as const)(
    'leave the same bytes as WebAssembly under %s',
    { timeout: 600_000, tags: ['nightly'] },
    async ([, threads, flags], context) => {
      needsAddon(context);
      const program = buildReplay(process.arch as 'x64' | 'arm64', 'cc', ['-O1', '-g', ...flags]);
      for (const list of await recording)
        expect([list.name, replay([program], threads, list).different]).toEqual([list.name, []]);
    },
  );

  it('leave the same bytes on ARM', { timeout: 600_000, tags: ['nightly'] }, async ({ skip }) => {
    const [compiler, emulator] = ['aarch64-linux-gnu-gcc', 'qemu-aarch64'];
    const isThere = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
    if (!isThere(compiler) || !isThere(emulator))
      skip(`no ${compiler} or no ${emulator} (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user)`);
    const program = buildReplay('arm64', compiler, ['-O3', '-static']);
    for (const list of await recording)
      expect([list.name, replay([emulator, program], 2, list)]).toEqual([
        list.name,
        { families: ['neon'], different: [] },
      ]);
  });
});
