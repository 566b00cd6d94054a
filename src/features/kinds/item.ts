import type { Column } from '../../chunks/column.js';
import { BadValue, type Fit } from '../feature.js';
import { listReader, ListFitter, type ItemEncoder } from './bag.js';
import type { FieldOf, Kind, ListReading } from './kind.js';
import { itemNumberReader, itemReader, listNumberColumns, ITEM } from './one-value.js';

// Items of sequences. Their lists are computed (`features/sequence.ts`): selected, in order, aligned with other fields.

type ItemKinds = 'item' | 'itemNumber';

/** Members that both kinds share. */
const listMembers = {
  takesStored: () => false,
  rawForm: () => 'list' as const,
  lists: ({ columns: [name] }: FieldOf<ItemKinds>): ListReading => ({
    key: name!,
    read: (rows) => (rows.column(name!) as Required<Column>).lists,
  }),
  takesLists: true,
  isCompared: false,
  column: ({ name }: FieldOf<ItemKinds>) => ({ name, kind: 'bag' }) as const,
} as const;

/** One id per item. A missing item is out of vocabulary. */
export const item: Kind<'item'> = {
  ...listMembers,
  name: 'item',
  holdsNumbers: false,
  reader: (field) =>
    listReader(ofItems(field), listMembers.lists(field), itemReader(withMissing(field)), (ids, { weights }) => ({
      ids,
      weights,
    })),
  fitter: (field, fit) => new ListFitter(ofItems(field), listMembers.lists(field), withoutMissing(fit)),
};

/** One number per item, which a bag stores as the weight of id 0. */
export const itemNumber: Kind<'itemNumber'> = {
  ...listMembers,
  name: 'itemNumber',
  holdsNumbers: true,
  reader(field) {
    let zeros = new Uint32Array(0);
    const { encode, direct } = field;
    const encoder = {
      encode: (text: string) => encode(present(text)),
      direct,
      numberColumns: listNumberColumns([ITEM], field),
    };
    return listReader(ofItems(field), listMembers.lists(field), itemNumberReader(encoder), (weights) => {
      if (zeros.length < weights.length) zeros = new Uint32Array(weights.length);
      return { ids: zeros, weights };
    });
  },
  fitter: (field, fit) =>
    new ListFitter(ofItems(field), listMembers.lists(field), {
      ...fit,
      check: (text) => fit.check(present(text)),
    }),
};

const NO_NUMBER = new BadValue('a decimal number', 'correct the row; data.onBadRow: skip drops such rows');

/** Returns a text that is not missing. */
function present(text: string): string {
  if (text === '') throw NO_NUMBER;
  return text;
}

/** Selects all items of computed lists. */
function ofItems({ name, columns, sequence }: FieldOf<ItemKinds>) {
  return { name, columns, form: { maxItems: undefined, negative: sequence.isWeighted ? 'refused' : 'taken' } } as const;
}

function withMissing({ encode, direct, isTransient }: ItemEncoder): ItemEncoder {
  return { direct, isTransient, encode: (text) => (text === '' ? 0 : encode(text)) };
}

function withoutMissing(fit: Fit): Fit {
  return {
    ...fit,
    check: (text) => {
      if (text !== '') fit.check(text);
    },
    observe: (text) => {
      if (text !== '') fit.observe(text);
    },
  };
}
