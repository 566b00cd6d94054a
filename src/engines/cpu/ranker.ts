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
  /** Indices of the arguments that are rows of a part, with the names of their domains. */
  readonly rowsAt: readonly { readonly at: number; readonly name: string }[];
}

/** Rows of a part of a batch, by the names of domains. */
type PartRows = Map<string, number>;

/** Copies rows of a batch, of some of the fields, to where calls read them; sets the rows of each domain. */
type PartLoader = (batch: Batch, begin: number, rows: number, into: PartRows) => void;

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
    const ofUser: PartRows = new Map();
    const ofCandidates: PartRows = new Map();
    const ranker: Ranker = {
      candidateFields,
      setUser: (batch) => {
        if (batch.rows !== 1) throw new Error(`a user has ${batch.rows} rows, expected 1`);
        if (this.#prepared !== ranker) this.#run(weights!, ofUser);
        this.#prepared = ranker;
        loadUser(batch, 0, 1, ofUser);
        this.#run(user!, ofUser);
      },
      predict: (batch) => {
        const results = new Map([...predictions.keys()].map((task) => [task, new Float32Array(batch.rows)]));
        const itemRows = repeated.map(({ domain }) => ofUser.get(domainName(domain))!);
        const passRows = Math.min(maxRows, Math.ceil(MAX_REPEATED_ITEMS / Math.max(1, ...itemRows)));
        for (const { begin, rows } of splitRows(batch.rows, repeated.length === 0 ? maxRows : passRows)) {
          loadCandidates(batch, begin, rows, ofCandidates);
          for (const items of repeated) this.#repeatItems(items, ofUser, rows, ofCandidates);
          this.#run(candidates!, ofCandidates);
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
      .map((call) => {
        const { args, rowsAt } = addressOperands(call, this.#cpu.plan, this.#compiled.maxRowsOf);
        for (const { at, domain } of rowsAt) if (!hasPartRows(domain)) args[at] = domain.count;
        return {
          args: boxNumbers(args),
          rowsAt: rowsAt.flatMap(({ at, domain }) => (hasPartRows(domain) ? [{ at, name: partName(domain) }] : [])),
          // A single process has no exchanges.
          kernel: call.kernel as KernelName,
        };
      });
  }

  #run(calls: readonly ReadyCall[], rows: PartRows): void {
    this.#team.runAlone((kernels: Kernels) => {
      for (let c = 0; c < calls.length; c++) {
        const { kernel, args, rowsAt } = calls[c]!;
        for (let i = 0; i < rowsAt.length; i++) args[rowsAt[i]!.at] = rows.get(rowsAt[i]!.name)!;
        kernels[kernel](...args);
      }
    });
  }

  /** Writes where the repeated items of each candidate begin, and their indices; sets their number. */
  #repeatItems({ domain, offsets, indices }: RepeatedItems, ofUser: PartRows, rows: number, into: PartRows): void {
    const { words, wordAt } = this.#cpu.image;
    const name = domainName(domain);
    const count = ofUser.get(name)!;
    const offsetsAt = wordAt(offsets);
    for (let row = 0; row <= rows; row++) words[offsetsAt + row] = row * count;
    if (indices !== undefined) {
      let at = wordAt(indices);
      for (let row = 0; row < rows; row++) for (let item = 0; item < count; item++) words[at++] = item;
    }
    into.set(name, rows * count);
  }

  #loaderOf(isRead: (field: string) => boolean): PartLoader {
    const layout = selectFields(this.#compiled, isRead);
    const load = createLoader(layout, this.#cpu);
    const names = layout.domains.map(domainName);
    return (batch, begin, rows, into) => {
      const counts = load(batch, begin, rows);
      for (let d = 0; d < names.length; d++) into.set(names[d]!, d === 0 ? rows : counts[d - 1]!);
    };
  }
}

type SharedCount = Extract<Domain, { readonly kind: 'shared' }>;

/** Returns whether the rows of a domain depend on the part of a batch. */
function hasPartRows(domain: Domain): domain is Exclude<Domain, SharedCount> | Required<SharedCount> {
  return domain.kind !== 'shared' || domain.field !== undefined;
}

/** Returns the name of the domain that has as many rows: the shared items of a user belong to its row. */
function partName(domain: Exclude<Domain, SharedCount> | Required<SharedCount>): string {
  return domainName(domain.kind === 'shared' ? items(domain.field) : domain);
}

/** Returns numbers as objects: a call with an array of doubles would allocate each of them. */
function boxNumbers(numbers: readonly number[]): number[] {
  const boxed: unknown[] = [undefined];
  boxed.pop();
  boxed.push(...numbers);
  return boxed as number[];
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
