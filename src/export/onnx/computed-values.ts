import { quoted } from '../../core/errors.js';
import { listLookups } from '../../features/expressions/resolve.js';
import { CELL_SEPARATOR, type Computed, type EncodedField } from '../../features/feature.js';
import { lookupValues } from '../../features/lookups.js';
import { emitNumberRule, emitRule, isOfNumbers, type Unwritable } from './cell-rules.js';
import { isInFloatRange } from './cells.js';
import { isEmptyText } from './clean-cells.js';
import { emitFormula, type ComputedSources } from './formulas.js';
import { emitOccurrences } from './occurrences.js';

/** A field whose values are computed. */
export type ComputedField = EncodedField & { readonly computed: Computed };

/** Returns why a computation cannot be exported; undefined if it can. */
export function uncomputable({ computed, tables }: ComputedField): Unwritable | undefined {
  const { rule, sources } = computed;
  if (rule === undefined) return SEQUENCE;
  const json = sources.find((source) => source.holds === 'bag' && source.form.format === 'json');
  if (json !== undefined)
    return {
      message: `reads JSON lists of column ${quoted(json.name)}, for which ONNX has no parser`,
      fix: 'remove --with-encoders and pass its encoded values, or train it with format: separated',
    };
  if (rule.kind === 'occurrences') return undefined;
  const mixed = listLookups(rule.expression).find((lookup) => {
    if (lookup.type !== 'bag') return false;
    const { values } = lookupValues(tables!.get(lookup.table)!, { column: lookup.column, isNumber: false });
    return Array.from({ length: values.size }, (_, index) => values.text(index)).some(hasSeparator);
  });
  return (
    mixed && {
      message:
        `reads lists of ${mixed.table}.${mixed.column} with the control character U+001F, ` +
        'which separates items in the model',
      fix: 'remove the character from the side file and train again, or remove --with-encoders',
    }
  );
}

const SEQUENCE = {
  message: 'contains the items of a sequence, which ONNX operators cannot select from lists',
  fix: 'remove --with-encoders and pass its encoded items',
};

/** Returns whether a list contains the character that separates items in the model; JSON may escape it. */
function hasSeparator(text: string): boolean {
  return text.includes(CELL_SEPARATOR) || text.includes('\\u001');
}

/** Emits the table rows or numbers of a computed field. */
export function emitComputed({ name, computed, rule, ...field }: ComputedField, sources: ComputedSources): string {
  const { onnx } = sources;
  const computation = computed.rule!;
  const value =
    computation.kind === 'formula'
      ? emitFormula(computation, field, sources)
      : emitOccurrences(computation, field.cells, sources);
  if (!isOfNumbers(rule!))
    return emitRule(rule!, { onnx, field: name, texts: value, isEmpty: isEmptyText(onnx, value) });
  const isEmpty = onnx.node('Not', [isInFloatRange(onnx, value)]);
  const numbers = onnx.node('Where', [isEmpty, onnx.number(0, 'double'), value]);
  return emitNumberRule(rule, { onnx, field: name, isEmpty, numbers });
}
