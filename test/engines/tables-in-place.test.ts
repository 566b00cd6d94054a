import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Plan, ProgramState } from '../../src/engines/engine.js';
import type { KernelChoice } from '../../src/engines/kernel-choice.js';
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

/** Returns the plan of predictions, and a state whose tables are in shared memory. */
function plans(): { readonly plan: Plan; readonly state: ProgramState } {
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
    const memory = new Float32Array(new SharedArrayBuffer(data.byteLength));
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
