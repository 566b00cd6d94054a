import { setTimeout } from 'node:timers/promises';
import type { Plan, Program } from '../../src/engines/engine.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { COMMAND } from '../../src/engines/cpu/command.js';

/** A program whose workers have started, and the number of steps that they joined. */
export interface SharedProgram {
  readonly program: Program;
  sharedSteps(): number;
}

/** Compiles a plan for several threads and waits for them. */
export async function compileShared(plan: Plan, threads: number): Promise<SharedProgram> {
  // Its first use compares kernels, in memories of their own.
  const engine = createCpuEngine(threads);
  const { Memory } = WebAssembly;
  const memories: WebAssembly.Memory[] = [];
  // A program's memory is private; its command words are read through a proxy.
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, [descriptor]: ConstructorParameters<typeof Memory>) {
      const memory = new target(descriptor);
      memories.push(memory);
      return memory;
    },
  });
  const program = engine.compile(plan);
  WebAssembly.Memory = Memory;
  const words = new Int32Array(memories[0]!.buffer, BEGIN, 16);
  while (Atomics.load(words, COMMAND.ready) < threads - 1) await setTimeout(5);
  return { program, sharedSteps: () => Atomics.load(words, COMMAND.number) };
}
