import type { Batch } from '../../core/batch.js';
import { BATCH, domainName, isOfItems, items, type Domain } from '../../graph/domain.js';
import type { Call } from '../compile/call-list.js';
import type { Compiled } from '../compile/compile.js';
import type { KernelName } from '../compile/kernel-arguments.js';
import type { Layout } from '../compile/layout.js';
import { lowerRanking, type RepeatedItems } from '../compile/ranking.js';
import type { Ranker } from '../engine.js';
import { copyColumn } from '../state/results.js';
import { splitRows } from '../step-rows.js';
import { addressOperands } from './lists.js';
import { createLoader } from './load.js';
import type { CpuMemory } from './memory.js';
import type { Kernels } from './kernels.js';
import type { Team } from './team.js';

/** Calls of one thread, whose kernels JavaScript calls: they are compiled when the memory of lists is complete. */
interface ReadyCall {
  readonly kernel: KernelName;
  readonly args: number[];
  /** Indices of the arguments that are rows of a domain. */
  readonly rowsAt: readonly { readonly at: number; readonly domain: Domain }[];
}

/** Rows of a part of a batch, by the names of domains. */
type PartRows = ReadonlyMap<string, number>;

/** Copies rows of a batch, of some of the fields, to where calls read them; returns the rows of each domain. */
type PartLoader = (batch: Batch, begin: number, rows: number) => PartRows;

/** Items of all candidates in a pass, whose values then remain in the second cache. */
const MAX_REPEATED_ITEMS = 3200;

/** Creates rankers of a program, which share its memory. */
export class CpuRankers {
  readonly #compiled: Compiled;
  readonly #cpu: CpuMemory;
  readonly #team: Pick<Team<string>, 'runAlone'>;
  /** The ranker whose split weights are in memory. */
  #prepared: Ranker | undefined;

  constructor(compiled: Compiled, cpu: CpuMemory, team: Pick<Team<string>, 'runAlone'>) {
    this.#compiled = compiled;
    this.#cpu = cpu;
    this.#team = team;
  }

  /** Requires the next user to read the weights again. */
  forgetWeights(): void {
    this.#prepared = undefined;
  }

  create(fields: ReadonlySet<string>): Ranker {
    const { predictions, maxRows, plan } = this.#compiled;
    if (plan.isRanked !== true) throw new Error('the plan has no rankings');
    const { candidateFields, repeated, ...lists } = lowerRanking(this.#compiled, fields);
    const [weights, user, candidates] = [lists.weights, lists.user, lists.candidates].map((calls) =>
      this.#ready(calls),
    );
    const loadUser = this.#loaderOf((field) => !candidateFields.has(field));
    const loadCandidates = this.#loaderOf((field) => candidateFields.has(field));
    let ofUser: PartRows = new Map();
    const ranker: Ranker = {
      candidateFields,
      setUser: (batch) => {
        if (batch.rows !== 1) throw new Error(`a user has ${batch.rows} rows, expected 1`);
        if (this.#prepared !== ranker) this.#run(weights!, new Map());
        this.#prepared = ranker;
        ofUser = loadUser(batch, 0, 1);
        this.#run(user!, ofUser);
      },
      predict: (batch) => {
        const results = new Map([...predictions.keys()].map((task) => [task, new Float32Array(batch.rows)]));
        const itemRows = repeated.map(({ domain }) => ofUser.get(domainName(domain))!);
        const passRows = Math.min(maxRows, Math.ceil(MAX_REPEATED_ITEMS / Math.max(1, ...itemRows)));
        for (const { begin, rows } of splitRows(batch.rows, repeated.length === 0 ? maxRows : passRows)) {
          const counts = repeated.map((items) => this.#repeatItems(items, ofUser, rows));
          this.#run(candidates!, new Map([...loadCandidates(batch, begin, rows), ...counts]));
          for (const [task, view] of predictions) copyColumn(view, rows, this.#cpu.image, results.get(task)!, begin);
        }
        return results;
      },
    };
    return ranker;
  }

  #ready(calls: readonly Call[]): readonly ReadyCall[] {
    return calls
      .filter(({ kernel }) => kernel !== 'barrier')
      .map((call) => ({
        ...addressOperands(call, this.#cpu.plan, this.#compiled.maxRowsOf),
        // A single process has no exchanges.
        kernel: call.kernel as KernelName,
      }));
  }

  #run(calls: readonly ReadyCall[], rows: PartRows): void {
    this.#team.runAlone((kernels: Kernels) => {
      for (const { kernel, args, rowsAt } of calls) {
        for (const { at, domain } of rowsAt) args[at] = countRows(domain, rows);
        kernels[kernel](...args);
      }
    });
  }

  /** Writes where the repeated items of each candidate begin, and their indices; returns their number. */
  #repeatItems({ domain, offsets, indices }: RepeatedItems, ofUser: PartRows, rows: number): readonly [string, number] {
    const { words, wordAt } = this.#cpu.image;
    const name = domainName(domain);
    const count = ofUser.get(name)!;
    const offsetsAt = wordAt(offsets);
    for (let row = 0; row <= rows; row++) words[offsetsAt + row] = row * count;
    if (indices !== undefined) {
      const indicesAt = wordAt(indices);
      for (let i = 0; i < rows * count; i++) words[indicesAt + i] = i % count;
    }
    return [name, rows * count];
  }

  #loaderOf(isRead: (field: string) => boolean): PartLoader {
    const layout = selectFields(this.#compiled, isRead);
    const load = createLoader(layout, this.#cpu);
    const names = layout.domains.map(domainName);
    return (batch, begin, rows) => {
      const counts = [rows, ...load(batch, begin, rows)];
      return new Map(names.map((name, d) => [name, counts[d]!]));
    };
  }
}

/** Returns the rows of a domain: those that it shares, or those of a part of a batch. */
function countRows(domain: Domain, rows: PartRows): number {
  if (domain.kind !== 'shared') return rows.get(domainName(domain))!;
  return domain.field === undefined ? domain.count : rows.get(domainName(items(domain.field)))!;
}

/** Returns a layout whose batches have only some of the fields, and are not trained with. */
function selectFields(layout: Compiled, isRead: (field: string) => boolean): Layout {
  const { plan, tables, domains } = layout;
  const columns = plan.layout.columns.filter(({ field }) => isRead(field));
  const ofFields = <Each extends { readonly field: string }>(all: readonly Each[]): readonly Each[] =>
    all.filter(({ field }) => isRead(field));
  return {
    ...layout,
    plan: { ...plan, layout: { ...plan.layout, columns } },
    tables: { ...tables, all: [], lookups: ofFields(tables.lookups), items: ofFields(tables.items) },
    domains: [BATCH, ...domains.slice(1).filter((domain) => !isOfItems(domain) || isRead(domain.field))],
  };
}
