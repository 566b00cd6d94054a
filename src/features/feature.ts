import type { Cast } from '../chunks/casts.js';
import type { Chunk, RowProblem } from '../chunks/chunk.js';
import type { Column, Items } from '../chunks/column.js';
import type { EncoderSpec } from '../sequences/encoders.js';
import type { NestedItems } from '../sequences/layout.js';
import type { CellOptions } from './cells.js';
import type { ComputedRule } from './computed-rule.js';
import type { LoggedItems } from './event-log.js';
import type { InitialVectors } from './init-from.js';
import type { BagForm, ListForm } from './list-form.js';
import type { LookupColumn, LookupTables } from './lookups.js';
import type { ItemSelection } from './pick-items.js';
import type { Composition, Pooling } from '../tables/layout.js';
import type { CellRule, VectorRule } from './cell-rule.js';
import type { GrowingVocabulary } from './vocabulary/growing-vocabulary.js';
import type { TokenNumbering } from './vocabulary/token-numbers.js';
import type { TokenTable } from './vocabulary/token-table.js';

export { InvalidValueError as BadValue } from '../text/invalid-value.js';

/** Encodes a value, or a bag item, as the number stored in a batch. */
export interface Encoder {
  /** Rows of the field's embedding table; 0 for a number. */
  readonly rows: number;
  /** Rows that represent an id at first, if the table grows; default: all. */
  readonly initialRows?: number;
  /** Rows with an id, if memory for the others is only reserved; default: all. */
  readonly usedRows?: number;
  /** @throws BadValue */
  readonly encode: (text: string) => number;
  /** Whether a text may have another number in the next batch; default: no. */
  readonly isTransient?: boolean | undefined;
  /** The rule of `encode`. */
  readonly rule?: CellRule | undefined;
  /** How usual values are encoded without conversion to strings; always equal to `encode`. */
  readonly direct?: DirectCast | undefined;
  /** Memory of the vocabulary, if there is one. */
  readonly vocabularyBytes?: number;
  /** Whether values are decimal numbers that must be read as strings, since some may be null values. */
  readonly readsNumbers?: boolean;
  /** Columns of the model's input, if fitted on the training set. */
  readonly width?: number;
  /** Replaces `encode` and `rule` for vectors. */
  readonly vector?: VectorEncoder;
  /** Replaces the tokens, whose ids remain below `rows`; undefined for a vocabulary that does not change. */
  readonly switchTokens?: (tokens: TokenTable) => void;
  /** Summary of decisions on the training set; undefined if the config decides everything. */
  readonly decision?: string;
}

/** A cast of an encoder. */
type DirectCast =
  | Extract<Cast, { cell: 'id' | 'token' | 'text' }>
  | (Extract<Cast, { cell: 'number' }> & { readonly encode: (value: number) => number });

/** Encodes the elements of a value. */
interface VectorEncoder {
  /**
   * Writes the encoded elements, `width` numbers, to `into` from `at`; no elements mean a missing value.
   * @throws InvalidValueError
   */
  readonly encode: (values: ArrayLike<number>, into: Float32Array, at: number) => void;
  /** The rule of `encode`. */
  readonly rule: VectorRule;
}

/** Fits an encoder on the training set. */
export interface Fit {
  /** @throws InvalidValueError for values that must not be observed */
  readonly check: (text: string) => void;
  readonly observe: (text: string) => void;
  /**
   * Fast paths that skip string conversion: ids in digits, decimal numbers that pass `check`, or previously observed
   * strings by id. `check` throws InvalidValueError. `observe` observes the numbers from `begin` to `end`.
   */
  readonly direct?:
    | ({
        readonly observe: (values: Float64Array, begin: number, end: number) => void;
      } & (
        | { readonly cell: 'id' }
        | { readonly cell: 'number'; readonly check?: (value: number) => void }
        | Extract<Cast, { cell: 'token' }>
      ))
    | undefined;
  /** Text such as `Encoder`. */
  readonly readsNumbers?: boolean;
  /**
   * Replaces `check` and `observe` for vectors; no elements mean a missing value. `checkLength` compares the length
   * with the length of the first row, so that row must be valid otherwise.
   */
  readonly vector?: {
    readonly check: (values: ArrayLike<number>) => void;
    readonly checkLength: (values: ArrayLike<number>) => void;
    readonly observe: (values: ArrayLike<number>) => void;
  };
  /** Ends the fit; returns the fitted parameters: JSON, except string tables. */
  readonly finish: () => unknown;
}

/** Fitting and encoding of a field. */
export interface Encoding {
  /** Description without the owner's options: fields that share a table must agree on it. */
  readonly encodedAs: string;
  /** Description for bag items, which are never missing; default: `encodedAs`. */
  readonly itemsEncodedAs?: string;
  /**
   * Description of everything that maps values to rows or numbers, besides fitted parameters. Tables and weights of
   * fields with another meaning cannot be reused.
   */
  readonly meaning: string;
  /** Whether it fits a vocabulary and maps all other strings to 0. */
  readonly learnsTexts?: boolean;
  /** Starts a fit; undefined if nothing is fitted. */
  readonly startFit?: (() => Fit) | undefined;
  /**
   * @param fitted result of the fit, or undefined if nothing is fitted
   * @param numbers replace the ids of a vocabulary that grows: the number of a token becomes its id when the batch of
   * its row is trained on
   * @throws ZodError if `fitted` is not a result of this field's fit
   */
  readonly encoder: (fitted: unknown, numbers?: TokenNumbering) => Encoder;
  /** Growth of the vocabulary on a stream; undefined if it stays as it was fitted. */
  readonly growth?: Growth | undefined;
  /**
   * Merges a new fit into a previous one, whose ids stay the same; new ids are appended. Undefined if it cannot grow,
   * such as a scale.
   * @param drops whether to release the ids that the new fit alone would not assign, so that new strings may reuse them
   */
  readonly grow?: ((before: unknown, now: unknown, drops: boolean) => Grown) | undefined;
}

/** Growth of a vocabulary on a stream. */
interface Growth {
  /** Maximum number of tokens. */
  readonly capacity: number;
  /**
   * Starts or resumes it.
   * @param seed of random decisions
   * @throws UserError (config) if what was fitted exceeds the capacity
   */
  readonly start: (fitted: unknown, seed: number) => GrowingVocabulary;
}

/** Result of merging two fits. */
export interface Grown {
  readonly fitted: unknown;
  /** Number of new ids. */
  readonly fresh: number;
  /** Previous ids that the new fit alone would not assign, in increasing order. */
  readonly forgotten: Uint32Array;
  /** Previous ids that were released or reused, in increasing order; empty unless ids are dropped. */
  readonly cleared: Uint32Array;
}

export { CELL_SEPARATOR } from '../chunks/column.js';

export type { BagForm, ListForm };

/** A data column that a computation reads. */
export type Source = { readonly name: string } & (
  { readonly holds: 'text' | 'number' } | { readonly holds: 'bag'; readonly form: ListForm }
);

/** Values of the rows of a chunk: numbers, of which NaN is a missing value, or a column of texts or lists. */
export type ComputedValues = Float64Array | Column;

/** Values of the outputs of a computation by their names. */
export type NamedValues = ReadonlyMap<string, ComputedValues>;

/** Values of all outputs of a computation, and the rows whose sources are invalid. */
export interface ComputedOutputs {
  readonly outputs: NamedValues;
  readonly problems: readonly (readonly [row: number, problem: RowProblem])[];
}

/** A number, a text or a list per row that is computed from data columns. */
export interface Computed {
  readonly sources: readonly Source[];
  /** Description of the computation: fields with another one cannot reuse its weights. */
  readonly meaning: string;
  /** Column whose items its lists have, which problems of an item name; default: problems name all columns. */
  readonly itemsOf?: string | undefined;
  /** Columns of side tables that it reads. */
  readonly lookups?: readonly LookupColumn[];
  /** Lists whose newest items its outputs are; undefined for other values. */
  readonly items?: ItemsOfColumn;
  /** The computation as data; undefined if there is no implementation elsewhere. */
  readonly rule?: ComputedRule;
  /** Computes all outputs of a chunk, once for all fields that share this function. */
  readonly compute: (chunk: Chunk, cells: CellOptions, tables: LookupTables) => ComputedOutputs;
  /** Name of the output. */
  readonly output: string;
}

/** A column of lists, which an event log may have. */
export interface ItemColumn {
  readonly name: string;
  readonly form: ListForm;
  /** Form of an item that is a list; undefined for items with one value. */
  readonly nested: ListForm | undefined;
  /** Column with the time of the row, for times of items; others: undefined. */
  readonly until: string | undefined;
}

/** The items of a column, and the columns that it is aligned with. */
export interface ItemsOfColumn {
  readonly column: ItemColumn;
  readonly lists: ItemLists;
}

/** Columns of lists that are aligned item by item, and the maximum number of the newest items to read. */
export interface ItemLists {
  readonly columns: readonly ItemColumn[];
  readonly last: number | undefined;
  /** Which items are read, and in which order. */
  readonly selection: ItemSelection;
}

/** Parsing of a vector's values. */
export interface VectorReading {
  /**
   * Parses a string, empty for a missing value; the result is valid until the next call.
   * @throws InvalidValueError
   */
  readonly split: (text: string) => ArrayLike<number>;
  /**
   * Converts a list; the result is valid until the next call.
   * @throws InvalidValueError
   */
  readonly ofItems: (items: Items) => ArrayLike<number>;
}

/** A feature: one data column, or several that are combined. */
export type Field = Encoding & {
  /** Name in batches and checkpoints, usually the name of its column. */
  readonly name: string;
  /** Data columns; values of several columns are joined by CELL_SEPARATOR. */
  readonly columns: readonly string[];
  /** Columns of the model's input: the embedding width, or 1 for a number; 0 for a vector whose length is fitted. */
  readonly width: number;
  /** Cleaning of its values. */
  readonly cells?: CellOptions;
  /** How its value is computed from the columns, which is read in their place; default: the columns are read. */
  readonly computed?: Computed;
  /** Side tables that the computation reads; default: none. */
  readonly tables?: LookupTables;
  /** The events that its items are, if an event log has them: rows are stored without items. */
  readonly logged?: LoggedItems;
  /** Index of its entry in the `fields` of its group. */
  readonly entry?: number;
  /** How its lookup becomes an embedding, if its table is compressed. */
  readonly composition?: Composition;
  /** Pretrained vectors of its table, if it owns one. */
  readonly initFrom?: InitialVectors;
  /** Field whose table and encoding it uses: itself, or the one that it shares with. */
  readonly owner: string;
  /** Whether it has the width and the encoding of its owner, or of the field that this one shares with. */
  readonly isLikeOwner?: true;
} & (
    | { readonly kind: 'id' }
    /** Whether values are positions between the rows of a table: 3.25 is a quarter of the way from row 3 to row 4. */
    | { readonly kind: 'number'; readonly isBetweenRows?: true }
    | ({ readonly kind: 'vector' } & VectorReading)
    | { readonly kind: 'bag'; readonly pooling: Pooling; readonly form: BagForm }
    /** Ids, or numbers, of the items of a sequence. */
    | { readonly kind: 'item'; readonly sequence: SequencePart }
    | { readonly kind: 'itemNumber'; readonly sequence: SequencePart }
  );

/** A sequence, as each of its fields has it. */
export interface SequencePart {
  readonly name: string;
  /** Field of the candidate that the items are compared with. */
  readonly target: string | undefined;
  /** Whether only items that equal the value of the target are kept, compared as text. */
  readonly isMatched: boolean;
  /** Maximum number of items per row. */
  readonly maxItems: number;
  /** Whether items have weights. */
  readonly isWeighted: boolean;
  /** Encoders whose outputs are concatenated. */
  readonly encoders: readonly EncoderSpec[];
  /** How the values of an item are pooled, and the field with their number; undefined for items with one value. */
  readonly nested?: NestedItems | undefined;
  /** Field whose items' numbers of values this field has, if it has any. */
  readonly countsOf?: string | undefined;
  /** Whether it is the ages of the items, which encoders read as such. */
  readonly areAges?: true;
}

/** A field with its encoder. */
export type EncodedField = Field & Encoder;

/** Returns whether a field has an embedding table, its own or a shared one. */
export function hasTable(field: Pick<Field, 'kind'> & { readonly isBetweenRows?: true }): boolean {
  return ['id', 'bag', 'item'].includes(field.kind) || field.isBetweenRows === true;
}
