import type { AffineStep } from '../core/scaling.js';
import type { CellOptions } from './cells.js';
import type { Pooling } from '../tables/layout.js';
import type { CellRule, VectorRule } from './cell-rule.js';

export { InvalidValueError as BadValue } from '../text/invalid-value.js';

/** Turns a cell, or an item of a bag, into the number that a batch holds. */
export interface Encoder {
  /** Rows of the field's embedding table; 0 for a number. */
  readonly rows: number;
  /** @throws BadValue */
  readonly encode: (text: string) => number;
  /** What `encode` does, as data. */
  readonly rule?: CellRule | undefined;
  /**
   * How cells are encoded that need not become text for it: ids in digits that are below a bound are themselves,
   * decimal numbers
   * are what a function makes of them (`affine` says the same, where that is all it does), or the bytes of a text are
   * looked up. Always what `encode` gives for their text.
   */
  readonly direct?:
    | { readonly cell: 'id'; readonly below: number }
    | { readonly cell: 'number'; readonly encode: (value: number) => number; readonly affine?: AffineStep | undefined }
    | { readonly cell: 'token'; readonly idOf: TokenLookup }
    | undefined;
  /** Of memory, where texts were learned. */
  readonly vocabularyBytes?: number;
  /** Whether cells are decimal numbers though all must be seen as text, since some may be words for nothing. */
  readonly readsNumbers?: boolean;
  /** Columns of the model's input, where train decides how many. */
  readonly width?: number;
  /** How the numbers of a vector are encoded, in place of `encode`. */
  readonly vector?: VectorEncoder;
  /** What `vector` does, as data. */
  readonly vectorRule?: VectorRule;
  /** What train decided about the column, in a few words for people; missing where the config says it all. */
  readonly decision?: string;
}

/**
 * The number of the text whose UTF-8 bytes lie from `begin` to `end`, from 1 on; 0 for one that is not known, which may
 * be no text.
 */
export type TokenLookup = (bytes: Uint8Array, begin: number, end: number) => number;

/**
 * Writes what the numbers of a cell become, all of the encoder's `width`, from `at` on; no numbers are an empty cell.
 * @throws BadValue
 */
export type VectorEncoder = (values: ArrayLike<number>, into: Float32Array, at: number) => void;

/** Learns from the training data what an encoder needs. */
export interface Fit {
  /** @throws BadValue; what it refuses is not observed */
  readonly check: (text: string) => void;
  readonly observe: (text: string) => void;
  /**
   * How cells are observed that need not become text for it: all ids in digits, or all decimal numbers, which `check`
   * lets pass;
   * or texts that were observed before, by their number. A number that is no text may have to be looked at as well;
   * what `check` throws
   * is a BadValue. `observeAll` does the same with the numbers from `begin` to `end`, where that is quicker than one by
   * one.
   */
  readonly direct?:
    | ({
        readonly observe: (value: number) => void;
        readonly observeAll?: (values: Float64Array, begin: number, end: number) => void;
      } & (
        | { readonly cell: 'id' }
        | { readonly cell: 'number'; readonly check?: (value: number) => void }
        | { readonly cell: 'token'; readonly idOf: TokenLookup }
      ))
    | undefined;
  /** As that of an encoder. */
  readonly readsNumbers?: boolean;
  /** How the numbers of a vector are observed, in place of texts; no numbers are an empty cell. */
  readonly vector?: {
    readonly check: (values: ArrayLike<number>) => void;
    readonly observe: (values: ArrayLike<number>) => void;
  };
  /** What was learned: JSON, but for tables of texts. Ends the fit. */
  readonly finish: () => unknown;
}

/** What is learned on train for a field, and the encoder that follows from it. */
export interface Encoding {
  /** In words, without what is its owner's alone: fields that share a table must agree on them. */
  readonly encodedAs: string;
  /** The same of items of bags, which are never empty; `encodedAs` where it is not given. */
  readonly itemsEncodedAs?: string;
  /**
   * In words, all that decides which row or number a text becomes, beside what was learned: what a table or a weight
   * has learned
   * from fields with another meaning is of no use to it.
   */
  readonly meaning: string;
  /** Whether it learns texts, and knows no others. */
  readonly learnsTexts?: boolean;
  /** A new fit, or undefined where there is nothing to learn. */
  readonly startFit: () => Fit | undefined;
  /**
   * @param fitted what the fit learned, or undefined where there was nothing to learn
   * @throws ZodError if it is not what a fit of this field gives
   */
  readonly encoder: (fitted: unknown) => Encoder;
  /**
   * Adds what was learned now to what was learned before, whose ids stay what they are: new ones come behind them.
   * Missing where
   * nothing can be added, as to a scale.
   * @param drops whether what would not have been given an id now has none any more; new ones may then have it
   */
  readonly grow?: ((before: unknown, now: unknown, drops: boolean) => Grown) | undefined;
}

/** What was learned before, with what was learned now. */
export interface Grown {
  readonly fitted: unknown;
  /** How many ids are new. */
  readonly fresh: number;
  /** Ids from before that would not have been given now, in increasing order. */
  readonly forgotten: Uint32Array;
  /** Ids from before that mean nothing or something else now, in increasing order; none where nothing is dropped. */
  readonly cleared: Uint32Array;
}

/** Stands between the cells of a field that is made of several columns, which may not hold it. */
export const CELL_SEPARATOR = '\u001f';

/** The items of a bag: those from `begin` to `end`, each a text and a weight. */
export interface BagItems {
  readonly ids: readonly string[];
  /** NaN where there is no number. */
  readonly weights: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * What stands between items and before their weights, how many are kept (the heaviest), and whether weights may be
 * negative.
 */
export interface BagForm {
  /** Whether cells may be lists in JSON, or must be; `auto`: those in square brackets are. */
  readonly format: 'auto' | 'separated' | 'json';
  readonly items: string;
  readonly weight: string;
  readonly maxItems: number | undefined;
  readonly negative: 'taken' | 'refused';
}

/** How the cells of a bag become the items that are kept of it. */
export interface BagReading {
  /** How text is taken apart, and what is kept, as data. */
  readonly form: BagForm;
  /**
   * Takes the text of a cell apart; what comes of it is valid until the next text.
   * @param clean makes an item of it what it stands for; nothing is no item
   * @throws BadValue
   */
  readonly split: (text: string, clean?: (item: string) => string) => BagItems;
  /**
   * Tells `add` the text and the weight of each item that is kept. The text is what the field's encoding is fitted on
   * and
   * encodes; the row of the table that comes of it and the weight go into the batch.
   * @throws BadValue for an item without an id, or with a weight that cannot be
   */
  readonly keep: (items: BagItems, add: (text: string, weight: number) => void) => void;
}

/** How the cells of a vector become its numbers. */
export interface VectorReading {
  /**
   * The numbers of a text, none of an empty one; valid until the next text.
   * @throws BadValue
   */
  readonly split: (text: string) => ArrayLike<number>;
  /**
   * The numbers of a list; valid until the next.
   * @throws BadValue
   */
  readonly ofItems: (items: BagItems) => ArrayLike<number>;
}

/** A feature: one column of the CSV, or several that are one together. */
export type Field = Encoding & {
  /** What it is called in batches and checkpoints: mostly its column. */
  readonly name: string;
  /** The columns of the CSV that it is made of; several cells are one text with CELL_SEPARATOR between them. */
  readonly columns: readonly string[];
  /** Columns of the model's input: the embedding's width, 1 for a number; of a vector, 0 where train decides. */
  readonly width: number;
  /** What is said of its cells, before they are read. */
  readonly cells?: CellOptions;
  /** The field whose table it looks into and whose encoding it has: itself, or one that it shares with. */
  readonly owner: string;
} & (
    | { readonly kind: 'id' }
    /**
     * What its cells become may lie between two rows of its table, which it then has: 3.25 a quarter of the way from
     * row 3 to row 4.
     */
    | { readonly kind: 'number'; readonly isBetweenRows?: true }
    | ({ readonly kind: 'vector' } & VectorReading)
    | ({ readonly kind: 'bag'; readonly pooling: Pooling } & BagReading)
  );

/** Whether a field has a table of embeddings, its own or another's. */
export function hasTable(field: Pick<Field, 'kind'> & { readonly isBetweenRows?: true }): boolean {
  return field.kind === 'id' || field.kind === 'bag' || field.isBetweenRows === true;
}
