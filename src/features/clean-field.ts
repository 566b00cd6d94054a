import { createCleaner, takesNumbers, type CellOptions, type Clean } from './cells.js';
import { CELL_SEPARATOR, type Encoder, type Field, type Fit } from './feature.js';
import { takesLists } from './kinds/kinds.js';

/**
 * Adds cleaning to a field, which its kind applies. `cleanFit` and `cleanEncoder` add it to its fit and its encoder.
 */
export function withCells(field: Field, cells: CellOptions): Field {
  if (createCleaner(cells) === undefined) return field;
  return { ...field, cells, meaning: `${field.meaning}, cells ${JSON.stringify(cells)}` };
}

/** Adds cleaning to a fit. Items of bags, elements of vectors and computed numbers are already clean. */
export function cleanFit(fit: Fit, field: Field): Fit {
  const { cells = {} } = field;
  const clean = createCleaner(cells);
  if (clean === undefined || takesLists(field) || field.computed !== undefined) return fit;
  return {
    ...fit,
    check: (text) => fit.check(cleanCells(text, clean)),
    observe: (text) => fit.observe(cleanCells(text, clean)),
    ...directFor(fit.direct, cells),
  };
}

/** Adds cleaning to an encoder. */
export function cleanEncoder(encoder: Encoder, field: Field): Encoder {
  const { cells = {} } = field;
  const clean = createCleaner(cells);
  if (clean === undefined || field.computed !== undefined) return encoder;
  const rule = encoder.rule && { ...encoder.rule, clean: cells };
  if (takesLists(field)) return { ...encoder, rule };
  return {
    ...encoder,
    rule,
    encode: (text) => encoder.encode(cleanCells(text, clean)),
    ...directFor(encoder.direct, cells),
  };
}

/** Keeps the fast path if no null value can take it; a null value may be a token of a field that shares the table. */
function directFor<Direct extends Fit['direct'] | Encoder['direct']>(
  direct: Direct,
  cells: CellOptions,
): { readonly direct: Direct | undefined; readonly readsNumbers?: true } {
  const isNumber = direct?.cell === 'id' || direct?.cell === 'number';
  if (direct === undefined || (isNumber && takesNumbers(cells, direct.cell))) return { direct };
  return { direct: undefined, ...(direct.cell === 'number' && { readsNumbers: true }) };
}

/** Cleans the value of each column separately. */
export function cleanCells(text: string, clean: Clean): string {
  return text.includes(CELL_SEPARATOR) ? text.split(CELL_SEPARATOR).map(clean).join(CELL_SEPARATOR) : clean(text);
}
