import { createCleaner, takesNumbers, type CellOptions } from '../../features/cells.js';
import { cleanCells } from '../../features/clean-field.js';

/** How the cells of a label become numbers. */
interface LabelReading {
  /** Whether a cell must be seen as text, since a number may be no label. */
  readonly isText?: true;
  parse(text: string): number;
}

/** A label whose cells are what they stand for before they are read. */
export function cleanLabel<Label extends LabelReading>(label: Label, cells: CellOptions = {}): Label {
  const clean = createCleaner(cells);
  if (clean === undefined) return label;
  return {
    ...label,
    parse: (text) => label.parse(cleanCells(text, clean)),
    ...(!takesNumbers(cells, 'number') && { isText: true }),
  };
}
