import type { TableRule } from '../../compile/call-list.js';
import type { Kernels } from '../kernels.js';
import { shareOf } from '../shares.js';
import type { Native } from './native.js';
import { outOfBounds, type Reach } from './reach.js';

/** Updates rows of a table by an optimizer's rule; returns 0 if a row is outside the table, as the other kernels do. */
type NativeUpdate = (
  address: number,
  most: number,
  stride: number,
  width: number,
  distinct: number,
  gradients: number,
  begin: number,
  end: number,
  constants: number,
) => number;

/** The row kernels of addon.c. Tables are given by process addresses, with at most `most` rows. */
export interface NativeRows {
  lookup(
    ids: number,
    address: number,
    most: number,
    stride: number,
    width: number,
    y: number,
    ldy: number,
    begin: number,
    end: number,
  ): number;
  lookupBags(
    ids: number,
    factors: number,
    offsets: number,
    address: number,
    most: number,
    stride: number,
    width: number,
    y: number,
    ldy: number,
    begin: number,
    end: number,
  ): number;
  /** Returns one of GATHERED, or 0. */
  gatherGradients(
    ids: number,
    d: number,
    ldd: number,
    width: number,
    hash: number,
    distinct: number,
    gradients: number,
    areas: number,
    areaBytes: number,
    countAt: number,
    rows: number,
    isFresh: number,
  ): number;
  gatherBagGradients(
    ids: number,
    factors: number,
    offsets: number,
    d: number,
    ldd: number,
    width: number,
    hash: number,
    distinct: number,
    gradients: number,
    areas: number,
    areaBytes: number,
    countAt: number,
    rows: number,
    isFresh: number,
  ): number;
  /** Update rules by kernel name. */
  readonly updates: Readonly<Record<string, NativeUpdate>>;
}

/** Results of gathering, as in kernels.h. */
const GATHERED = { notFinite: 1, tooMany: 2 } as const;
const WORD = 4;
/** Rows per unit of work. */
const UNIT = 4;
/** Minimum rows for which a native call pays off. */
const FEWEST_ROWS = 64;
/** Words of a rule's constants, as in kernels.h. */
const CONSTANTS = 12;

/**
 * Creates native lookups, gradients of distinct rows and updates that replace those of an instance.
 * @param memories tables' memory by address in calls, ascending, with addresses in this process
 */
export function nativeRows(
  kernels: Kernels,
  native: NativeRows,
  { words, hold }: Reach,
  memories: readonly { readonly at: number; readonly address: number; readonly bytes: number }[],
) {
  const wordAt = (at: number): number => words[at / WORD]!;
  /**
   * Returns the process address of a table and the maximum number of rows that fit its memory, of which the last has
   * `last` floats.
   */
  const find = (
    table: number,
    stride: number,
    width: number,
    last = width,
  ): { readonly address: number; readonly most: number } => {
    const { at, address, bytes } = memories.findLast((each) => each.at <= table) ?? memories[0]!;
    if (!(table >= 0 && table % WORD === 0 && stride >= width && width > 0)) throw outOfBounds();
    return {
      address: address + (table - at),
      most: Math.max(0, Math.floor(((bytes - (table - at)) / WORD - last) / stride) + 1),
    };
  };
  const insist = (hasAll: number): number => {
    if (hasAll === 0) throw outOfBounds();
    return 0;
  };
  /** Returns whether this worker processes a table, which it claims with the first field. */
  const takes = (claim: number, isFirstField: number): boolean =>
    (isFirstField === 0 ? kernels.has() : kernels.take(claim)) !== 0;
  const holdGathered = (
    hash: number,
    distinct: number,
    gradients: number,
    width: number,
    areas: number,
    areaBytes: number,
    countAt: number,
    isFresh: number,
  ): void => {
    hold(countAt, 1, 0, 3);
    const keys = wordAt(countAt + 2 * WORD);
    if (isFresh === 0 && wordAt(countAt) > keys) throw outOfBounds();
    hold(hash, 1, 0, 2 ** (32 - Math.clz32(Math.max(2 * keys, 2) - 1)));
    hold(distinct, 1, 0, keys);
    for (let area = 0; area < areas; area++) hold(gradients + area * areaBytes, keys, width, width);
  };
  const finish = (gathered: number): number => {
    if (gathered === GATHERED.tooMany) throw new Error('more distinct rows than were planned');
    if (gathered === GATHERED.notFinite) kernels.noteNotFinite();
    return 0;
  };
  const holdBag = (bag: number, offsets: number, rows: number): { readonly ids: number; readonly factors: number } => {
    hold(bag, 1, 0, 2);
    hold(offsets, 1, 0, rows + 1);
    const [ids, factors, items] = [wordAt(bag), wordAt(bag + WORD), wordAt(offsets + rows * WORD)];
    hold(ids, 1, 0, items);
    hold(factors, 1, 0, items);
    return { ids, factors };
  };

  const own = {
    lookup(ids, table, stride, width, y, ldy, rows) {
      if (rows < FEWEST_ROWS) return kernels.lookup(ids, table, stride, width, y, ldy, rows);
      hold(ids, 1, 0, rows);
      hold(y, rows, ldy, width);
      const { address, most } = find(table, stride, width);
      const { begin, end } = shareOf(kernels, rows, UNIT);
      return insist(native.lookup(ids, address, most, stride, width, y, ldy, begin, end));
    },
    lookupBags(bag, offsets, table, stride, width, y, ldy, rows) {
      if (rows < FEWEST_ROWS) return kernels.lookupBags(bag, offsets, table, stride, width, y, ldy, rows);
      const { ids, factors } = holdBag(bag, offsets, rows);
      hold(y, rows, ldy, width);
      const { address, most } = find(table, stride, width);
      const { begin, end } = shareOf(kernels, rows, UNIT);
      return insist(native.lookupBags(ids, factors, offsets, address, most, stride, width, y, ldy, begin, end));
    },
    gatherGradients(
      claim,
      ids,
      d,
      ldd,
      width,
      hash,
      distinct,
      gradients,
      areas,
      areaBytes,
      countAt,
      rows,
      isFirstField,
      fresh,
    ) {
      if (rows < FEWEST_ROWS)
        return kernels.gatherGradients(
          claim,
          ids,
          d,
          ldd,
          width,
          hash,
          distinct,
          gradients,
          areas,
          areaBytes,
          countAt,
          rows,
          isFirstField,
          fresh,
        );
      if (!takes(claim, isFirstField)) return 0;
      const isFresh = isFirstField === 0 ? 0 : wordAt(fresh);
      hold(ids, 1, 0, rows);
      hold(d, rows, ldd, width);
      holdGathered(hash, distinct, gradients, width, areas, areaBytes, countAt, isFresh);
      return finish(
        native.gatherGradients(ids, d, ldd, width, hash, distinct, gradients, areas, areaBytes, countAt, rows, isFresh),
      );
    },
    gatherBagGradients(
      claim,
      bag,
      offsets,
      d,
      ldd,
      width,
      hash,
      distinct,
      gradients,
      areas,
      areaBytes,
      countAt,
      rows,
      isFirstField,
      fresh,
    ) {
      if (rows < FEWEST_ROWS)
        return kernels.gatherBagGradients(
          claim,
          bag,
          offsets,
          d,
          ldd,
          width,
          hash,
          distinct,
          gradients,
          areas,
          areaBytes,
          countAt,
          rows,
          isFirstField,
          fresh,
        );
      if (!takes(claim, isFirstField)) return 0;
      const isFresh = isFirstField === 0 ? 0 : wordAt(fresh);
      const { ids, factors } = holdBag(bag, offsets, rows);
      hold(d, rows, ldd, width);
      holdGathered(hash, distinct, gradients, width, areas, areaBytes, countAt, isFresh);
      return finish(
        native.gatherBagGradients(
          ids,
          factors,
          offsets,
          d,
          ldd,
          width,
          hash,
          distinct,
          gradients,
          areas,
          areaBytes,
          countAt,
          rows,
          isFresh,
        ),
      );
    },
  } satisfies Native;

  /**
   * Creates the update rule of a table. If it is not lazy, the WebAssembly rule runs: native code is no faster at
   * reading a whole table.
   */
  const updateOf =
    (name: keyof Kernels, update: NativeUpdate): NonNullable<Native[`${TableRule}Table`]> =>
    (table, stride, width, hash, distinct, gradients, countAt, constants, refused, tableRows) => {
      const count = wordAt(countAt);
      if (tableRows !== 0 || count < FEWEST_ROWS)
        return kernels[name](table, stride, width, hash, distinct, gradients, countAt, constants, refused, tableRows);
      if (wordAt(refused) !== 0) return 0;
      hold(distinct, 1, 0, count);
      hold(gradients, count, width, width);
      hold(constants, 1, 0, CONSTANTS);
      const { address, most } = find(table, stride, width, stride);
      const { begin, end } = shareOf(kernels, count, 1);
      return insist(update(address, most, stride, width, distinct, gradients, begin, end, constants));
    };
  return {
    ...own,
    ...Object.fromEntries(
      Object.entries(native.updates).map(([name, update]) => [name, updateOf(name as keyof Kernels, update)]),
    ),
  };
}
