import { column, type Batch } from '../core/batch.js';
import { areUnixSeconds } from './event-log.js';
import { CELL_SEPARATOR, type EncodedField } from './feature.js';
import { listColumns } from './kinds/kinds.js';
import { itemOutputs } from './sequence-items.js';

/** The items of a sequence in a row, as its data has them. */
export interface WrittenSequence {
  /** Name of the sequence. */
  readonly name: string;
  /** Columns of its fields, in config order. */
  readonly columns: readonly WrittenColumn[];
  /** Ordered from oldest to newest. */
  readonly items: readonly WrittenItem[];
  /** Number of items of the row that were not selected; undefined for an event log. */
  readonly dropped: number | undefined;
}

/** A column of a sequence. */
export interface WrittenColumn {
  readonly name: string;
  /** Value of the candidate that its items are compared with; undefined without one, and for a list. */
  readonly candidate: string | undefined;
  /** Whether values are ages in seconds: an event log has its times as ages, and Unix seconds or dates as times. */
  readonly areSeconds?: true;
}

/** An item of a sequence. */
export interface WrittenItem {
  /** By column; empty for a missing one. */
  readonly texts: readonly string[];
  /** Weight in its list; undefined if items have none. */
  readonly weight: number | undefined;
}

/** A field of a sequence with the fields that read its texts. */
interface TextFields {
  readonly sequence: string;
  readonly name: string;
  readonly isWeighted: boolean;
  readonly areSeconds: boolean;
  readonly items: EncodedField;
  readonly count: EncodedField | undefined;
  readonly candidate: EncodedField | undefined;
}

/**
 * Reads the items of sequences as texts, by fields next to the fields of a model, which encode a text as its number.
 */
export class ItemTexts {
  readonly #texts: string[] = [''];
  readonly #numbers = new Map([['', 0]]);
  /** In the order of the config. */
  readonly #sequences: readonly (readonly TextFields[])[];
  /** Fields to read together with the fields of the model. */
  readonly fields: readonly EncodedField[];

  /** @param fields of the model */
  constructor(fields: readonly EncodedField[]) {
    const own = fields.flatMap((field) => this.#textFields(field, fields));
    const names = new Set(own.map(({ sequence }) => sequence));
    this.#sequences = [...names].map((name) => own.filter(({ sequence }) => sequence === name));
    this.fields = own.flatMap(({ items, count, candidate }) =>
      [items, count, candidate].filter((field) => field !== undefined),
    );
  }

  /** Returns the sequences of a batch of one row that has the fields. */
  read(batch: Batch): readonly WrittenSequence[] {
    return this.#sequences.map((own) => {
      const { sequence: name, items, count, isWeighted } = own[0]!;
      const first = column(batch, items.name, 'list');
      const numItems = first.offsets[1]!;
      return {
        name,
        columns: own.map((field) => ({
          name: field.name,
          candidate: field.candidate && this.#texts[column(batch, field.candidate.name, 'u32').data[0]!]!,
          ...(field.areSeconds && { areSeconds: true }),
        })),
        items: Array.from({ length: numItems }, (_, i) => ({
          texts: own.map((field) => this.#texts[column(batch, field.items.name, 'list').ids[i]!]!),
          weight: isWeighted ? first.weights[i]! : undefined,
        })),
        dropped: count && column(batch, count.name, 'f32').data[0]! - numItems,
      };
    });
  }

  #textFields(field: EncodedField, fields: readonly EncodedField[]): readonly TextFields[] {
    if (!('sequence' in field) || field.computed?.items === undefined) return [];
    const { sequence, ...plain } = field;
    const { computed } = field;
    // These have no column of their own.
    if (sequence.countsOf !== undefined || sequence.areAges === true) return [];
    const target = fields.find((each) => each.name === sequence.target && listColumns(each).length === 0);
    const { name } = field.computed.items.column;
    return [
      {
        sequence: sequence.name,
        name,
        isWeighted: sequence.isWeighted,
        areSeconds: field.logged?.isAge === true && areUnixSeconds(field.logged.log.times),
        items: {
          ...this.#encodeTexts(field, 'items'),
          // An event log has the items themselves.
          computed: field.logged === undefined ? { ...computed, output: itemOutputs.written(name) } : computed,
          kind: 'item',
          // The text of an item that is a list has all of its values.
          sequence: { ...sequence, nested: undefined },
        },
        count:
          field.logged === undefined
            ? {
                // One number per row, not a list of the sequence.
                ...this.#encodeTexts({ ...plain, kind: 'number' }, 'count'),
                computed: { ...computed, itemsOf: undefined, output: itemOutputs.count },
                kind: 'number',
                encode: Number,
              }
            : undefined,
        candidate: target && { ...this.#encodeTexts(target, `candidate of ${field.name}`), kind: 'id' },
      },
    ];
  }

  /** Returns a field that encodes each text as its number. */
  #encodeTexts(field: EncodedField, what: string): EncodedField {
    const encode = (text: string): number => {
      const known = this.#numbers.get(text);
      if (known !== undefined) return known;
      this.#numbers.set(text, this.#texts.length);
      return this.#texts.push(text.replaceAll(CELL_SEPARATOR, ' × ')) - 1;
    };
    // No data column has such a name.
    return { ...field, name: `\u001f${what}\u001f${field.name}`, encode, direct: undefined, rule: undefined };
  }
}
