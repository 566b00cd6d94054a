import { setTimeout } from 'node:timers/promises';
import type { Plan, Program } from '../../src/engines/engine.js';
import { BEGIN } from '../../src/engines/simd/lay-out.js';
import { createSimdEngine } from '../../src/engines/simd/engine.js';
import { COMMAND } from '../../src/engines/simd/command.js';

/** A program whose workers are all there, and how many of its steps they took part in. */
export interface SharedProgram {
  readonly program: Program;
  sharedSteps(): number;
}

/** Compiles a plan for so many threads, and waits for them. */
export async function compileShared(plan: Plan, threads: number): Promise<SharedProgram> {
  const { Memory } = WebAssembly;
  const memories: WebAssembly.Memory[] = [];
  // A program keeps its memory to itself; the words of its commands lie there.
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, [descriptor]: ConstructorParameters<typeof Memory>) {
      const memory = new target(descriptor);
      memories.push(memory);
      return memory;
    },
  });
  const program = createSimdEngine(threads).compile(plan);
  WebAssembly.Memory = Memory;
  const words = new Int32Array(memories[0]!.buffer, BEGIN, 16);
  while (Atomics.load(words, COMMAND.ready) < threads - 1) await setTimeout(5);
  return { program, sharedSteps: () => Atomics.load(words, COMMAND.number) };
}
