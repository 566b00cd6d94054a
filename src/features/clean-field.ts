import { createCleaner, takesNumbers, type CellOptions, type Clean } from './cells.js';
import { CELL_SEPARATOR, type Encoder, type Field, type Fit } from './feature.js';

/**
 * A field whose cells are what they stand for before it reads them. Its fit and its encoder are made so by `cleanFit`
 * and `cleanEncoder`.
 */
export function withCells(field: Field, cells: CellOptions): Field {
  const clean = createCleaner(cells);
  if (clean === undefined) return field;
  const meaning = `${field.meaning}, cells ${JSON.stringify(cells)}`;
  if (field.kind === 'vector') return { ...field, cells, meaning, split: (text: string) => field.split(clean(text)) };
  if (field.kind !== 'bag') return { ...field, cells, meaning };
  return {
    ...field,
    cells,
    meaning,
    split: (text: string) => field.split(clean(text), clean),
    keep: (items, add) =>
      field.keep(items, (text, weight) => {
        const cell = clean(text);
        // An item that stands for nothing is none.
        if (cell !== '') add(cell, weight);
      }),
  };
}

/**
 * A fit that learns from the cells of a field what they stand for. Items of bags and numbers of vectors are that
 * already.
 */
export function cleanFit(fit: Fit, { kind, cells = {} }: Field): Fit {
  const clean = createCleaner(cells);
  if (clean === undefined || kind === 'bag' || kind === 'vector') return fit;
  return {
    ...fit,
    check: (text) => fit.check(cleanCells(text, clean)),
    observe: (text) => fit.observe(cleanCells(text, clean)),
    ...directFor(fit.direct, cells),
  };
}

/** An encoder that encodes what the cells of a field stand for. */
export function cleanEncoder(encoder: Encoder, { kind, cells = {} }: Field): Encoder {
  const clean = createCleaner(cells);
  if (clean === undefined) return encoder;
  const rule = encoder.rule && { ...encoder.rule, clean: cells };
  if (kind === 'bag' || kind === 'vector') return { ...encoder, rule };
  return {
    ...encoder,
    rule,
    encode: (text) => encoder.encode(cleanCells(text, clean)),
    ...directFor(encoder.direct, cells),
  };
}

/** The short way of cells, where no word for nothing can take it: texts of a vocabulary are none of these. */
function directFor<Direct extends Fit['direct'] | Encoder['direct']>(
  direct: Direct,
  cells: CellOptions,
): { readonly direct: Direct | undefined; readonly readsNumbers?: true } {
  if (direct === undefined || direct.cell === 'token' || takesNumbers(cells, direct.cell)) return { direct };
  return { direct: undefined, ...(direct.cell === 'number' && { readsNumbers: true }) };
}

/** What the cells of one or of several columns stand for, each for itself. */
export function cleanCells(text: string, clean: Clean): string {
  return text.includes(CELL_SEPARATOR) ? text.split(CELL_SEPARATOR).map(clean).join(CELL_SEPARATOR) : clean(text);
}
