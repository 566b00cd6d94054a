import { compile } from '../../src/engines/compile/compile.js';
import { countWords } from '../../src/engines/compile/buffers.js';
import type { ListName } from '../../src/engines/compile/lists.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { createExchange } from '../../src/engines/cpu/exchange.js';
import { NO_EXCHANGES } from '../../src/engines/cpu/kernels.js';
import { createRun, placeLists, setRows } from '../../src/engines/cpu/lists.js';
import { createLoader } from '../../src/engines/cpu/load.js';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { allocate } from '../../src/engines/cpu/memory.js';
import { instantiateWasm } from '../../src/engines/cpu/module.js';
import { CpuProgram } from '../../src/engines/cpu/program.js';
import { takeStage } from '../../src/engines/cpu/row-stage.js';
import { CpuRankers } from '../../src/engines/cpu/ranker.js';
import type { Plan } from '../../src/engines/engine.js';
import { Store } from '../../src/engines/state/store.js';

/** A list, and memory before and after WebAssembly ran it in one thread. */
export interface RecordedList {
  readonly name: ListName;
  readonly kernels: readonly string[];
  /** Offsets of the list, and of the barrier. */
  readonly begin: number;
  readonly end: number;
  readonly barrier: number;
  /**
   * Offsets and words of memory that depends on the threads: claims, slots of tables that threads share, and memory of
   * each worker.
   */
  readonly ofTeam: readonly { readonly at: number; readonly words: number }[];
  readonly before: Buffer;
  readonly after: Buffer;
}

/** Compiles a plan for WebAssembly in one thread, and records the lists that its program runs. */
export function recordLists(plan: Plan): { readonly program: CpuProgram; readonly recorded: RecordedList[] } {
  const { module } = loadKernels(true, 'wasm');
  const compiled = compile(plan);
  takeStage(compiled);
  const cpu = allocate(compiled, compiled.lists);
  const { memory, image } = cpu;
  const instance = instantiateWasm(module, memory);
  const lists = placeLists(compiled.lists, cpu, compiled, instance);
  const recorded: RecordedList[] = [];
  const { claims, all } = compiled.tables;
  const shared = all.filter(({ sharedFrom }) => sharedFrom > 0);
  const ofWorkers = compiled.buffers.all
    .filter(({ name }) => name.startsWith('work of '))
    .map((buffer) => ({ buffer, offset: 0 }));
  const ofTables = shared.flatMap(({ hash, rowNumbers }) => [hash, ...rowNumbers]);
  const ofTeam = [claims, ...ofTables, ...ofWorkers].map((ref) => ({
    at: 4 * image.wordAt(ref),
    words: countWords(ref.buffer, compiled.maxRowsOf),
  }));
  const copy = (): Buffer => Buffer.from(Buffer.from(memory.buffer));
  const team = {
    run(name: ListName, rows: number, items: readonly number[] = []) {
      const list = lists[name];
      setRows(list, image.doubles, [rows, ...items]);
      const before = copy();
      instance.kernels.join(0, 1, BEGIN);
      createRun(list, instance, image.doubles, NO_EXCHANGES)();
      recorded.push({
        name,
        kernels: list.kernels.filter((kernel) => kernel !== undefined),
        begin: list.begin,
        end: list.end,
        barrier: BEGIN,
        ofTeam,
        before,
        after: copy(),
      });
    },
    end: () => undefined,
  };
  const program = new CpuProgram({
    compiled,
    image,
    team,
    exchange: createExchange(compiled, cpu, instance.kernels, {}),
    load: createLoader(compiled, cpu),
    store: new Store(compiled, image),
    rankers: new CpuRankers(compiled, cpu, { runAlone: (work) => work(instance.kernels) }),
  });
  return { program, recorded };
}

/** Returns the bytes of a record as replay.c reads it. */
export function recordBytes({ begin, end, barrier, before }: RecordedList): Buffer {
  const head = Buffer.alloc(32);
  for (const [i, value] of [before.length, begin, end, barrier].entries()) head.writeBigUInt64LE(BigInt(value), 8 * i);
  return Buffer.concat([head, before]);
}
