import type { CellColumn } from './column-of.js';
import type { ColumnPlan } from './column-plan.js';
import type { LeafType } from './leaf-type.js';
import { TOO_FEW, type LeafCursor } from './leaf-cursor.js';

// The cells of a column of a row group, some rows at a time.

/** A column on its way from entries to cells; its memory is used again for the next rows. */
export interface SliceColumn {
  /** What a row takes, where that does not depend on what is in it. */
  readonly rowBytes?: number;
  /**
   * Appends the next rows.
   * @returns about how many bytes they take
   */
  append(rows: number): Promise<number>;
  /** The rows that were appended, until some are again. */
  take(): CellColumn;
}

/** What a reference and the object behind it cost. */
const OBJECT_BYTES = 32;

/**
 * The cells of a column.
 * @param capacity rows that are taken at a time at the most
 */
export function sliceColumn(plan: ColumnPlan, cursors: readonly LeafCursor[], capacity: number): SliceColumn {
  const [first, second] = cursors as [LeafCursor, LeafCursor?];
  if (plan.kind === 'items') {
    const {
      type: { number },
      element,
    } = plan.ids;
    // The text of a float is that of its number.
    const isFloat = element.type === 'FLOAT' || element.type === 'DOUBLE';
    return number !== undefined && isFloat && second === undefined
      ? vectorsColumn(plan, number, first, capacity)
      : itemsColumn(plan, first, second, capacity);
  }
  return plan.leaf.type.number === undefined
    ? textColumn(plan.type, first)
    : numberColumn(plan.type, plan.leaf.type.number, first, capacity);
}

/** Takes entries of a flat column to a function, `rows` of them, some of `cursor.places` at a time. */
async function eachEntries(
  cursor: LeafCursor,
  rows: number,
  take: (begin: number, end: number) => void,
): Promise<void> {
  for (let done = 0; done < rows;) {
    if (cursor.at === cursor.count && !(await cursor.refill())) throw new Error(TOO_FEW);
    const end = Math.min(cursor.count, cursor.at + rows - done);
    done += end - cursor.at;
    take(cursor.at, end);
    cursor.at = end;
  }
}

function textColumn(type: string, cursor: LeafCursor): SliceColumn {
  const texts: string[] = [];
  let count = 0;
  return {
    async append(rows) {
      let bytes = 0;
      await eachEntries(cursor, rows, (begin, end) => {
        const { places, text: textAt } = cursor;
        for (let i = begin; i < end; i++) {
          const place = places[i]!;
          const text = place < 0 ? '' : textAt(place);
          bytes += OBJECT_BYTES + text.length;
          texts[count++] = text;
        }
      });
      return bytes;
    },
    take() {
      count = 0;
      return { type, text: (row) => texts[row]! };
    },
  };
}

type NumberType = NonNullable<LeafType['number']>;

function numberColumn(
  type: string,
  { isWhole, text: textOf, raw }: NumberType,
  cursor: LeafCursor,
  capacity: number,
): SliceColumn {
  const values = new Float64Array(capacity);
  /**
   * Of cells whose number says less than their text: NaN, and whole numbers beyond what a double holds. Null has none.
   */
  let texts: string[] | undefined;
  let count = 0;
  let bytes = 0;
  const onText = (row: number, text: string): void => {
    bytes += OBJECT_BYTES + text.length;
    (texts ??= new Array<string>(capacity).fill(''))[row] = text;
  };
  return {
    // One that is more than its number takes a text beside.
    ...(raw !== undefined && { rowBytes: Float64Array.BYTES_PER_ELEMENT }),
    async append(rows) {
      bytes = 8 * rows;
      await cursor.readNumbers(values, count, rows, onText);
      count += rows;
      return bytes;
    },
    take() {
      count = 0;
      const were = texts;
      texts = undefined;
      return {
        type,
        numbers: { values, isWhole },
        text: (row) => (Number.isNaN(values[row]!) ? (were?.[row] ?? '') : textOf(values[row]!)),
      };
    },
  };
}

/** Takes the items of `rows` lists to a function, the place of each, and tells where a row ends. */
async function eachItem(
  cursor: LeafCursor,
  item: number,
  rows: number,
  take: (place: number) => void,
  endRow: () => void,
): Promise<void> {
  for (let begun = 0; ;) {
    if (cursor.at === cursor.count && !(await cursor.refill())) {
      if (begun < rows) throw new Error(TOO_FEW);
      if (begun > 0) endRow();
      return;
    }
    const { repetitions, definitions, places } = cursor;
    for (; cursor.at < cursor.count; cursor.at++) {
      if (repetitions[cursor.at] === 0) {
        if (begun > 0) endRow();
        if (begun === rows) return;
        begun++;
      } else if (begun === 0) throw new Error('a list continues without a start');
      if (definitions[cursor.at]! >= item) take(places[cursor.at]!);
      else if (repetitions[cursor.at] !== 0) throw new Error('a list continues with a missing item');
    }
  }
}

function itemsColumn(
  plan: ColumnPlan & { readonly kind: 'items' },
  ids: LeafCursor,
  weights: LeafCursor | undefined,
  capacity: number,
): SliceColumn {
  const { type, item } = plan;
  const isNumber = plan.weights?.type.number !== undefined;
  const ends = new Uint32Array(capacity + 1);
  const bag = { ids: new Array<string>(), weights: new Array<number>() };
  let items = 0;
  let rows = 0;

  const appendWeights = async (more: number): Promise<void> => {
    let at = ends[rows - more]!;
    let row = rows - more;
    const take = (place: number): void => {
      // A decimal is the number that its text is.
      bag.weights[at++] = place < 0 ? NaN : isNumber ? weights!.number(place) : Number(weights!.text(place));
    };
    await eachItem(weights!, item, more, take, () => {
      if (ends[++row] !== at) throw new Error('a list has different numbers of ids and weights');
    });
  };

  return {
    async append(more) {
      let bytes = 0;
      const take = (place: number): void => {
        const text = place < 0 ? '' : ids.text(place);
        bytes += OBJECT_BYTES + text.length;
        bag.ids[items++] = text;
      };
      await eachItem(ids, item, more, take, () => void (ends[++rows] = items));
      if (weights !== undefined) await appendWeights(more);
      else while (bag.weights.length < items) bag.weights.push(1);
      return bytes;
    },
    take() {
      items = 0;
      rows = 0;
      return {
        type,
        items: (row) => ({ ids: bag.ids, weights: bag.weights, begin: ends[row]!, end: ends[row + 1]! }),
        text: (row) => itemsText(bag, ends[row]!, ends[row + 1]!, weights !== undefined),
      };
    },
  };
}

/** Lists of numbers, which become text where somebody takes them for ids. */
function vectorsColumn(
  { type, item }: ColumnPlan & { readonly kind: 'items' },
  { text: textOf }: NumberType,
  cursor: LeafCursor,
  capacity: number,
): SliceColumn {
  const ends = new Uint32Array(capacity + 1);
  const nulls = new Set<number>();
  let values = new Float64Array(capacity);
  let count = 0;
  let rows = 0;
  const take = (place: number): void => {
    if (count === values.length) {
      const larger = new Float64Array(2 * count);
      larger.set(values);
      values = larger;
    }
    if (place < 0) nulls.add(count);
    values[count++] = place < 0 ? NaN : cursor.number(place);
  };
  return {
    async append(more) {
      const before = count;
      await eachItem(cursor, item, more, take, () => void (ends[++rows] = count));
      return 8 * (count - before);
    },
    take() {
      count = 0;
      rows = 0;
      // What was null is told as long as the rows are.
      const were = new Set(nulls);
      nulls.clear();
      const textsOf = (row: number): string[] =>
        Array.from(values.subarray(ends[row], ends[row + 1]), (value, i) =>
          were.has(ends[row]! + i) ? '' : textOf(value),
        );
      return {
        type,
        vectors: (row) => values.subarray(ends[row], ends[row + 1]),
        items: (row) => {
          const ids = textsOf(row);
          return { ids, weights: ids.map(() => 1), begin: 0, end: ids.length };
        },
        text: (row) => `[${textsOf(row).join(', ')}]`,
      };
    },
  };
}

/** The items of a bag for people. */
function itemsText(
  { ids, weights }: { readonly ids: readonly string[]; readonly weights: readonly number[] },
  begin: number,
  end: number,
  isWeighted: boolean,
): string {
  return `[${ids
    .slice(begin, end)
    .map((id, i) => (isWeighted ? `${id}: ${weights[begin + i]}` : id))
    .join(', ')}]`;
}
