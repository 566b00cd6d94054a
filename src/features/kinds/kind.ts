import type { ChunkRows } from '../../chunks/chunk.js';
import type { Lists } from '../../chunks/column.js';
import type { BlockColumn, RowBlock } from '../../chunks/row-block.js';
import type { InputSource } from '../../tables/layout.js';
import type { EncodedField, Encoder, Field, Fit } from '../feature.js';

/**
 * Reads some columns of all rows of a chunk to a block, after its rows. Rows with invalid values are refused; rows that
 * are not kept may contain anything.
 */
export type ReadColumns = (rows: ChunkRows, block: RowBlock) => void;

/** Fits a field on chunks. */
export interface FieldFitter {
  /** Refuses rows with invalid values. */
  check(rows: ChunkRows): void;
  /** Refuses rows that disagree with earlier ones, when all fields of all rows are checked. */
  readonly checkTogether?: (rows: ChunkRows) => void;
  /** Fits the field on the kept rows of the chunk that was checked last. */
  observe(rows: ChunkRows): void;
}

/** A stored column; ids are below `size`. */
export interface StoredColumn extends BlockColumn {
  readonly size?: number;
}

/**
 * How the values of a data column are kept without loss for a field: as texts, as numbers in place of their texts, as
 * lists of texts with weights, or as lists of numbers.
 */
export type RawForm = 'text' | 'number' | 'list' | 'vector';

/** Reading of lists; readings with the same key are equal. */
export interface ListReading {
  readonly key: string;
  /** Whether items are lists; default: false. */
  readonly areLists?: boolean | undefined;
  /** Returns the lists of a chunk, which are valid until the next call. */
  readonly read: (rows: ChunkRows) => Lists;
}

/** How one data column of a field is kept before it is encoded. */
export interface RawReading {
  readonly column: string;
  readonly form: RawForm;
  /** Whether it is read as numbers. */
  readonly isNumber: boolean;
  readonly lists?: ListReading | undefined;
}

/** Storage and reading of the fields of one kind. The only code that depends on the kind of a field. */
export interface Kind<Of extends Field['kind']> {
  readonly name: Of;
  /** Whether its columns may be lists. */
  readonly takesLists: boolean;
  /** Whether rows are compared with each other: only those that are valid otherwise are read. */
  readonly isCompared: boolean;
  /** Whether an encoded value is a number, of a row or of an item of its list; else an id or a vector. */
  readonly holdsNumbers: boolean;
  /** Returns the storage of encoded values. */
  column(field: FieldOf<Of>): BlockColumn;
  /** Returns where the model input takes its values from; absent for the items of sequences, which encoders read. */
  inputSource?(field: FieldOf<Of>): InputSource;
  /** Creates a reader for an encoded field, whose column is in the block. */
  reader(field: FieldOf<Of> & EncodedField): ReadColumns;
  /** Whether an encoded field of one column takes stored values of a storage as they are. */
  takesStored(field: FieldOf<Of> & EncodedField, stored: StoredColumn): boolean;
  /** Returns how the values of its columns are kept before they are encoded. */
  rawForm(field: FieldOf<Of>, reading: Pick<Encoder, 'direct'> | Fit): RawForm;
  /** Returns how the lists of the field are read; absent if its values are not lists. */
  lists?(field: FieldOf<Of>): ListReading;
  fitter(field: FieldOf<Of>, fit: Fit): FieldFitter;
}

/** The fields of a kind. */
export type FieldOf<Of extends Field['kind']> = Extract<Field, { readonly kind: Of }>;
