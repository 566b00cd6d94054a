import type { TokenChanges, TokenTable } from '../features/vocabulary/token-table.js';
import { changeTokens, copyTokenTable } from '../features/vocabulary/token-table.js';

type Tables = ReadonlyMap<string, TokenTable>;

/**
 * Writes changes of tokens, in time proportional to them, to one of two copies of each table: all prediction threads
 * share the other one, so a lookup needs no lock. When all of them have switched, the other copy follows. See
 * Ramalhete and Correia 2015, Left-Right: A Concurrency Control Technique with Wait-Free Population Oblivious Reads.
 */
export class TokenWriter {
  /** Tables that the threads read. */
  #served: Tables;
  /** Copies with the same tokens, which no thread reads; undefined before the first change. */
  #other: Tables | undefined;
  #pending: ReadonlyMap<string, TokenChanges> = new Map();

  constructor(tables: Tables) {
    this.#served = tables;
  }

  /**
   * Applies changes to tables that no thread reads, to which all threads then switch.
   * @returns all tables; undefined if the changes belong to other tables, whose content is undefined then
   */
  prepare(changes: ReadonlyMap<string, TokenChanges>): Tables | undefined {
    if (changes.size === 0) return this.#served;
    this.#other ??= new Map(Array.from(this.#served, ([name, table]) => [name, copyTokenTable(table)]));
    const changed = changeAll(this.#other, changes);
    if (changed === undefined) return undefined;
    this.#other = this.#served;
    this.#served = changed;
    this.#pending = changes;
    return changed;
  }

  /** Applies the last changes to the copies that all threads have left. */
  merge(): void {
    // Copies with the same tokens accept the same changes.
    if (this.#pending.size > 0) this.#other = changeAll(this.#other!, this.#pending)!;
    this.#pending = new Map();
  }
}

function changeAll(tables: Tables, changes: ReadonlyMap<string, TokenChanges>): Tables | undefined {
  const next = new Map(tables);
  for (const [name, each] of changes) {
    const table = next.get(name);
    const changed = table && changeTokens(table, each);
    if (changed === undefined) return undefined;
    next.set(name, changed);
  }
  return next;
}
