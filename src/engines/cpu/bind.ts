import { domainName, type Domain } from '../../graph/domain.js';
import { WORD } from '../compile/buffers.js';
import type { Call } from '../compile/call-list.js';
import type { MemoryPlan } from '../state/memory-plan.js';

/** A call with addresses. Consists of numbers and strings, so that it can be sent to a worker. */
export interface BoundCall {
  readonly kernel: Call['kernel'];
  /** In the order of the kernel's signature. */
  readonly args: readonly number[];
  /** Arguments that are the rows of a domain, by its index. */
  readonly rowsAt: readonly { readonly argument: number; readonly domain: number }[];
}

/** Replaces positions in buffers with addresses. */
export function bindCalls(
  calls: readonly Call[],
  { addresses }: MemoryPlan,
  domains: readonly Domain[],
): readonly BoundCall[] {
  const indices = new Map(domains.map((domain, index) => [domainName(domain), index]));
  return calls.map(({ kernel, operands }) => {
    const rowsAt: { argument: number; domain: number }[] = [];
    const args = operands.map((operand, argument) => {
      if (typeof operand === 'number') return operand;
      if ('buffer' in operand) {
        const address = addresses.get(operand.buffer);
        if (address === undefined) throw new Error(`no memory for buffer '${operand.buffer.name}'`);
        return address + operand.offset * WORD;
      }
      rowsAt.push({ argument, domain: indices.get(domainName(operand))! });
      return 0;
    });
    return { kernel, args, rowsAt };
  });
}

/** Binds the lists of a program. */
export function bindLists<List extends string>(
  lists: Readonly<Record<List, readonly Call[]>>,
  plan: MemoryPlan,
  domains: readonly Domain[],
): Readonly<Record<List, readonly BoundCall[]>> {
  const bound = Object.entries<readonly Call[]>(lists).map(
    ([name, calls]) => [name, bindCalls(calls, plan, domains)] as const,
  );
  return Object.fromEntries(bound) as Record<List, readonly BoundCall[]>; // the same keys
}
