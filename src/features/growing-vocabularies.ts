import { z } from 'zod';
import { column, type Batch } from '../core/batch.js';
import { userError } from '../core/errors.js';
import { streamKey } from '../core/random.js';
import type { TokenCounts } from '../core/token-counts.js';
import type { StateSection } from '../core/state-section.js';
import type { StoredTensor } from '../io/safetensors.js';
import type { TableChanges } from '../tables/row-changes.js';
import { encodedFields, type Fitted } from './feature-types.js';
import { hasTable, type EncodedField, type Field } from './feature.js';
import { listStorage } from './kinds/kinds.js';
import { GrowthPatcher } from './vocabulary/growth-patcher.js';
import {
  growthChanges,
  hasGrowthChanges,
  listChangedFields,
  parseGrowth,
  storeGrowth,
  tokenChanges,
} from './vocabulary/growth-state.js';
import type { GrowingVocabulary } from './vocabulary/growing-vocabulary.js';
import { TokenNumbers } from './vocabulary/token-numbers.js';
import type { TokenChanges } from './vocabulary/token-table.js';

/** A field whose batches have tokens of a growing vocabulary. */
interface TokenField {
  readonly name: string;
  readonly isList: boolean;
}

/** A growing vocabulary with the numbers of its tokens and the fields that read it. */
interface OwnedVocabulary {
  readonly vocabulary: GrowingVocabulary;
  readonly numbers: TokenNumbers;
  readonly fields: readonly TokenField[];
}

const count = z.int().min(0);
const growthStateSchema = z.strictObject({
  counts: z.record(
    z.string(),
    z.strictObject({
      admitted: count,
      expired: count,
      evicted: count,
      dropped: count,
      occurrences: count,
      outOfVocabulary: count,
    }),
  ),
});
/** What happened to each vocabulary since the last report. JSON. */
export type GrowthState = z.output<typeof growthStateSchema>;

/** Section of a checkpoint with the state of reports. */
export const growthSection: StateSection<GrowthState> = { name: 'growth', version: 1, schema: growthStateSchema };

/**
 * Growing vocabularies of a model that trains on a stream. Encoded rows have a number for each token, so they may be
 * encoded ahead, and invalid rows count nothing. `assign` replaces the numbers by rows of tables, one batch after
 * the other: its result depends on the rows of the batches alone, in their order.
 */
export class GrowingVocabularies {
  /** All fields. Those with a growing vocabulary encode tokens as numbers, on one thread. */
  readonly fields: readonly EncodedField[];
  readonly #fitted: Fitted;
  readonly #owned: ReadonlyMap<string, OwnedVocabulary>;
  #savedBatches: ReadonlyMap<string, number>;

  /**
   * Starts or resumes the growth of all vocabularies with a capacity.
   * @param fitted result of a fit, or the state of a checkpoint
   * @param seed of random decisions
   * @throws UserError (config) for a field that cannot grow; (checkpoint) if `fitted` does not match the fields
   */
  constructor(fields: readonly Field[], fitted: Fitted, seed: number) {
    const owners = fields.filter(({ name, owner, growth }) => name === owner && growth !== undefined);
    const logged = fields.find(
      ({ owner, logged }) => logged !== undefined && owners.some(({ name }) => name === owner),
    );
    if (logged !== undefined)
      throw userError('config', {
        key: `field '${logged.name}'`,
        message: `reads an event log, whose items keep their ids, but the vocabulary of '${logged.owner}' grows`,
        fix: 'give the rows their items (remove data.sequences), or remove capacity',
      });
    this.#fitted = fitted;
    this.#owned = new Map(
      owners.map(({ name, growth }) => [
        name,
        {
          vocabulary: growth!.start(fitted[name], streamKey(seed, 'admit', name)),
          numbers: new TokenNumbers(),
          fields: fields.filter((field) => field.owner === name && hasTable(field)).map(tokenField),
        },
      ]),
    );
    this.fields = encodedFields(fields, fitted, (owner) => this.#owned.get(owner)?.numbers);
    this.#savedBatches = this.#batches();
  }

  /** Whether any vocabulary grows. */
  get isGrowing(): boolean {
    return this.#owned.size > 0;
  }

  /** First field whose tokens expire by the time of the stream. */
  get timedField(): string | undefined {
    const timed = ({ options: { unseen } }: GrowingVocabulary): boolean => unseen !== undefined && 'ms' in unseen;
    return [...this.#owned].find(([, { vocabulary }]) => timed(vocabulary))?.[0];
  }

  /** Bytes of all vocabularies, of which the system commits only those that were written. */
  get byteLength(): number {
    return [...this.#owned.values()].reduce((sum, { vocabulary }) => sum + vocabulary.byteLength, 0);
  }

  /**
   * Replaces the numbers of a batch by ids, in place: tokens of a row count before the tokens of the next row. Each
   * batch is assigned once, before it is trained on.
   * @param timeMs time of the stream at the batch, which expiry after a time requires
   * @returns the rows to change before the batch is predicted or trained on (`Program.changeRows`)
   */
  assign(batch: Batch, timeMs?: number): TableChanges {
    if (timeMs === undefined && this.timedField !== undefined)
      throw new Error(`the tokens of '${this.timedField}' expire after a time, but the batch has none`);
    return new Map(
      Array.from(this.#owned, ([name, { vocabulary, numbers, fields }]) => {
        vocabulary.startBatch(timeMs);
        assignRows(batch, fields, numbers, vocabulary);
        return [name, vocabulary.takeChanges()];
      }),
    );
  }

  /** Forgets the numbers of all tokens. No encoded row may be left that was not assigned. */
  releaseNumbers(): void {
    for (const { numbers } of this.#owned.values()) numbers.release();
  }

  /** Returns what is fitted at present, for a full checkpoint, and for fields that do not grow. */
  fitted(): Fitted {
    const grown = Array.from(this.#owned, ([name, { vocabulary }]) => [name, storeGrowth(vocabulary)] as const);
    return { ...this.#fitted, ...Object.fromEntries(grown) };
  }

  /** Returns the changes since `markSaved`, for a delta. */
  changes(): ReadonlyMap<string, StoredTensor> {
    return new Map(
      [...this.#owned].flatMap(([name, { vocabulary }]) => [
        ...growthChanges(name, vocabulary, this.#savedBatches.get(name)!),
      ]),
    );
  }

  /** Starts to collect the changes after a save. */
  markSaved(): void {
    this.#savedBatches = this.#batches();
    for (const { vocabulary } of this.#owned.values()) vocabulary.markSaved();
  }

  /** Returns what happened to each vocabulary since the last report. */
  report(): Readonly<Record<string, TokenCounts>> {
    return Object.fromEntries(Array.from(this.#owned, ([name, { vocabulary }]) => [name, vocabulary.report()]));
  }

  /** Returns what happened since the last report, for a checkpoint. */
  counts(): GrowthState['counts'] {
    return Object.fromEntries(Array.from(this.#owned, ([name, { vocabulary }]) => [name, vocabulary.counts]));
  }

  /** Continues to count from a checkpoint. */
  continueCounts(counts: GrowthState['counts']): void {
    for (const [name, each] of Object.entries(counts)) this.#owned.get(name)?.vocabulary.continueCounts(each);
  }

  #batches(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#owned, ([name, { vocabulary }]) => [name, vocabulary.now.batch]));
  }
}

/** Applies the changes of successive deltas to what was fitted before them. */
export class FittedPatcher {
  readonly #fitted: Fitted;
  readonly #patchers = new Map<string, GrowthPatcher>();

  constructor(fitted: Fitted) {
    this.#fitted = fitted;
  }

  /** @throws Error if they do not belong together */
  apply(changes: ReadonlyMap<string, StoredTensor>): void {
    for (const name of Object.keys(this.#fitted)) {
      if (!hasGrowthChanges(name, changes)) continue;
      const patcher = this.#patchers.get(name) ?? startPatcher(name, this.#fitted[name]);
      this.#patchers.set(name, patcher);
      patcher.apply(changes);
    }
  }

  /** Returns what is fitted after all changes. */
  fitted(): Fitted {
    const patched = Array.from(this.#patchers, ([name, patcher]) => [name, patcher.store()] as const);
    return { ...this.#fitted, ...Object.fromEntries(patched) };
  }
}

function startPatcher(name: string, before: unknown): GrowthPatcher {
  const stored = parseGrowth(before);
  if (stored === undefined) throw new Error(`the vocabulary of '${name}' does not grow`);
  return new GrowthPatcher(name, stored);
}

/**
 * Lists the changes of tokens in a delta, by the field that has the vocabulary.
 * @throws Error if they are invalid
 */
export function listTokenChanges(changes: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, TokenChanges> {
  return new Map(listChangedFields(changes).map((name) => [name, tokenChanges(name, changes)]));
}

function tokenField(field: Field): TokenField {
  return { name: field.name, isList: listStorage(field) !== undefined };
}

function assignRows(
  batch: Batch,
  fields: readonly TokenField[],
  numbers: TokenNumbers,
  vocabulary: GrowingVocabulary,
): void {
  const columns = fields.map(({ name, isList }) => {
    if (!isList) return { of: column(batch, name, 'u32').data, offsets: undefined };
    const bag = column(batch, name, 'list');
    return { of: bag.ids, offsets: bag.offsets };
  });
  for (let row = 0; row < batch.rows; row++)
    for (const { of, offsets } of columns) {
      const end = offsets === undefined ? row + 1 : offsets[row + 1]!;
      for (let i = offsets === undefined ? row : offsets[row]!; i < end; i++) {
        // A missing value has no token.
        if (of[i] === 0) continue;
        const { bytes, begin, end: tokenEnd } = numbers.textOf(of[i]!);
        of[i] = vocabulary.assign(bytes, begin, tokenEnd, row);
      }
    }
}
