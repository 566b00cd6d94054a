import { WORD } from '../compile/buffers.js';
import type { Compiled } from '../compile/compile.js';
import type { Program } from '../engine.js';
import { Store } from '../state/store.js';
import { BEGIN } from './begin.js';
import { createExchange } from './exchange.js';
import { listExchanges } from './list-exchanges.js';
import { placeLists } from './lists.js';
import { createLoader } from './load.js';
import { allocate, planCpuMemory, countTableBytes } from './memory.js';
import { instantiate, whyEmulated, type KernelModule } from './module.js';
import { CpuProgram } from './program.js';
import { CpuRankers } from './ranker.js';
import { takeStage } from './row-stage.js';
import { Team, type TeamWatch } from './team.js';

/** Allocates the memory of a compiled plan, which belongs to the program from then on, and starts its workers. */
export function createProgram(kernels: KernelModule, compiled: Compiled, threads: number, watch: TeamWatch): Program {
  const { places } = compiled;
  const { precision, predictionPrecision } = compiled;
  const reduced = precision === 'f32' ? predictionPrecision : precision;
  const emulated = whyEmulated(kernels, reduced);
  if (emulated !== undefined)
    watch.onWarning?.(
      `${reduced} products are emulated here, slower than f32 but bitwise identical to native ones: ` + emulated,
    );
  takeStage(compiled);
  const cpu = allocate(compiled, compiled.lists, {
    tableBytes: watch.tableBytes,
    readsInPlace: !('reason' in kernels.native),
  });
  const { memory, external, image } = cpu;
  const instance = instantiate(kernels, memory, external);
  const rowWork = places.groups.reduce((sum, { matrix }) => sum + 3 * matrix.inputs * matrix.panels * 8, 0);
  const team = new Team({
    kernels,
    instance,
    memory,
    external,
    lists: placeLists(compiled.lists, cpu, compiled, instance),
    barrier: BEGIN,
    threads,
    rowWork,
    exchanges: listExchanges(compiled, cpu, watch),
    ...watch,
  });
  return new CpuProgram({
    rankers: new CpuRankers(compiled, cpu, team),
    compiled,
    image,
    team,
    exchange: createExchange(compiled, cpu, instance.kernels, watch),
    load: createLoader(compiled, cpu),
    store: new Store(compiled, image, cpu.mover),
  });
}

/** Returns the bytes of a plan's memory besides weights, tables, optimizer state and what belongs to kernels. */
export function activationBytes(compiled: Compiled): number {
  const {
    places: { weightsCount },
    denseSlots,
    average,
  } = compiled;
  const denseWords = (average === undefined ? 1 : 2) * weightsCount + denseSlots.words;
  return planCpuMemory(compiled, Infinity).bytes - BEGIN - denseWords * WORD - countTableBytes(compiled);
}

/** Returns the bytes of a plan's tables that are stored in memory of their own. */
export function externalBytes(compiled: Compiled): number {
  return countTableBytes(compiled, planCpuMemory(compiled));
}
