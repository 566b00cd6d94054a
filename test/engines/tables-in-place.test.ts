import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import type { Batch } from '../../src/core/batch.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Plan, ProgramState } from '../../src/engines/engine.js';
import type { KernelChoice } from '../../src/engines/kernel-choice.js';
import type { MovedRows } from '../../src/tables/moved-rows.js';
import { sgd } from '../../src/optimizers/sgd.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import { ADDON } from '../support/native.js';

const WORK: Workload = {
  name: 'esmm',
  batchRows: 64,
  width: 5,
  numbers: ['D0'],
  bags: { '109_14': 4 },
  model: { name: 'esmm', ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } },
};
const TABLE = 'embeddings.101';

/**
 * Returns the plan of predictions, and a state whose tables are in shared memory.
 * @param spare bytes after a tensor per byte of it
 */
function plans(spare = 0): { readonly plan: Plan; readonly state: ProgramState } {
  const plan: Plan = {
    ...planOf(WORK, 0.001),
    optimizers: {
      dense: denseOptimizers.schema.parse({ name: sgd.name }),
      embeddings: embeddingOptimizerSchema.parse({ name: sgd.name }),
    },
  };
  const program = createCpuEngine().compile(plan);
  const { step, weights } = program.state();
  const copies = [...weights].map(([name, { shape, data }]) => {
    const memory = new Float32Array(new SharedArrayBuffer((1 + spare) * data.byteLength), 0, data.length);
    memory.set(data);
    return [name, { shape, data: memory }] as const;
  });
  program.dispose();
  return { plan, state: { step, weights: new Map(copies), optimizer: new Map() } };
}

describe('tables in shared memory', () => {
  const { plan, state } = plans();
  const sharedTables = new Map([...state.weights].map(([name, { data }]) => [name, data]));
  const [batch] = batchesOf(WORK, 1, 0.001);
  const open = (choice: KernelChoice, of: Plan = { ...plan, isRestored: true, sharedTables }, threads = 1) => {
    const program = createCpuEngine(threads, true, { isPatient: true }, choice).compile(of);
    program.restore(state);
    return program;
  };
  const choices: readonly KernelChoice[] = ADDON.families.length > 0 ? ['wasm', 'native'] : ['wasm'];

  it.each(choices)('are predicted from as from copies, and stay as they are: %s kernels', async (choice) => {
    const copied = await open(choice, { ...plan, isRestored: true }).predict(batch!);
    const before = new Map([...sharedTables].map(([name, data]) => [name, data.slice()]));
    const programs = [open(choice), open(choice, undefined, 2)];
    for (const program of programs) expect(await program.predict(batch!)).toEqual(copied);
    expect(sharedTables).toEqual(before);
  });

  it.runIf(choices.includes('native'))('are read in place by native kernels, by all programs', async () => {
    const programs = [open('native'), open('native')];
    const before = await programs[0]!.predict(batch!);
    const rows = sharedTables.get(TABLE)!;
    const saved = rows.slice();
    rows.fill(0.5);
    const [first, second] = await Promise.all(programs.map((program) => program.predict(batch!)));
    rows.set(saved);
    expect(first).not.toEqual(before);
    expect(second).toEqual(first);
  });

  it('are copied if rows have optimizer state beside them', async () => {
    const program = open(choices.at(-1)!, { ...planOf(WORK, 0.001), isRestored: true, sharedTables });
    const before = sharedTables.get(TABLE)!.slice();
    await program.trainStep(batch!);
    expect(sharedTables.get(TABLE)).toEqual(before);
    expect(program.state().weights.get(TABLE)!.data).not.toEqual(before);
  });
});

describe('tables with spare rows', () => {
  const { plan, state } = plans(1);
  const rowsOf = (name: string): Float32Array => new Float32Array(state.weights.get(name)!.data.buffer);
  const sharedTables = new Map([...state.weights.keys()].map((name) => [name, rowsOf(name)]));
  const [batch] = batchesOf(WORK, 1, 0.001);
  const open = (choice: KernelChoice, of: Partial<Plan> = { sharedTables }) => {
    const program = createCpuEngine(1, true, {}, choice).compile({ ...plan, isRestored: true, isRanked: true, ...of });
    program.restore(state);
    return program;
  };
  const choices: readonly KernelChoice[] = ADDON.families.length > 0 ? ['wasm', 'native'] : ['wasm'];

  /** Copies some rows of all tables to spare rows, and fills the rows themselves with NaN. */
  const moveRows = (): { readonly moved: MovedRows; undo(): void } => {
    const undo: (() => void)[] = [];
    const moved = plan.layout.tables.map(({ name, rows, width }) => {
      const data = rowsOf(`embeddings.${name}`);
      const numbers = Uint32Array.from({ length: Math.ceil(rows / 2) }, (_, i) => 2 * i);
      for (const [i, row] of numbers.entries()) {
        const own = data.subarray(row * width, (row + 1) * width);
        const saved = own.slice();
        undo.push(() => own.set(saved));
        data.set(saved, (rows + i) * width);
        own.fill(NaN);
      }
      return [name, numbers] as const;
    });
    return { moved: new Map(moved), undo: () => undo.forEach((each) => each()) };
  };

  it.each(choices)('are read in place: %s kernels', async (choice) => {
    const program = open(choice);
    const before = await program.predict(batch!);
    expect(before).toEqual(await open(choice, {}).predict(batch!));
    const rows = rowsOf(TABLE);
    const saved = rows.slice();
    rows.fill(0.5);
    const after = await program.predict(batch!);
    rows.set(saved);
    expect(after).not.toEqual(before);
  });

  it.each(choices)('are read from spare rows if these replace others: %s kernels', async (choice) => {
    const program = open(choice);
    const ranker = program.createRanker!(new Set(['205', '109_14', 'D0']));
    // As in a server, each batch has only the fields that its reader encodes.
    const select = (isSelected: (field: string) => boolean): Batch['columns'] =>
      new Map([...batch!.columns].filter(([field]) => isSelected(field)));
    const ofUser = select((field) => !ranker.candidateFields.has(field));
    const ofCandidates = select((field) => ranker.candidateFields.has(field));
    const rank = (): unknown => {
      ranker.setUser({ rows: 1, columns: ofUser });
      return ranker.predict({ rows: batch!.rows, columns: ofCandidates });
    };
    const before = [await program.predict(batch!), rank()];
    const { moved, undo } = moveRows();
    program.restore(state, moved);
    const after = [await program.predict(batch!), rank()];
    program.restore(state);
    const withoutMoves = await program.predict(batch!);
    undo();
    expect(after).toEqual(before);
    expect(withoutMoves.get('ctr')!.some(Number.isNaN)).toBe(true);
    expect([await program.predict(batch!), rank()]).toEqual(before);
  });
});
