import { z } from 'zod';
import { userError } from '../../core/errors.js';
import { LARGEST_ID, parseId } from '../parse.js';
import { defineEncoding } from './encoding.js';
import { ids } from './ids.js';
import { tokens } from './tokens.js';

const idsSchema = z.strictObject({ size: z.int().min(1) });
const vocabularySchema = z.strictObject({ vocabulary: z.custom<{ readonly offsets: Uint32Array }>() });

/** Integers from 1 without leading zeros, as counters write them; 0 is the out-of-vocabulary id. */
const COUNTED = /^[1-9]\d{0,9}$/;
/** Minimum share of ids in use for a table of ids. */
const MIN_USED = 0.5;

/**
 * Decides on the training set: if all values are integers from 1, and at least half of the integers up to the largest
 * occur, values are row indices; otherwise tokens. Unknown and missing values are 0, the out-of-vocabulary id.
 */
export const auto = defineEncoding({
  name: 'auto',
  summary: 'ids if training values count from 1 with few gaps, else tokens',
  takesText: true,
  options: () => ({}),

  build(_, field) {
    const [asIds, asTokens] = [ids.build({ sizes: {} }, field), tokens.build({ minCount: 1 }, field)];
    const isIds = (fitted: unknown): boolean => idsSchema.safeParse(fitted).success;
    return {
      learnsTexts: true,
      startFit: () => {
        const fit = asTokens.startFit!();
        let areIds = true;
        let largest = 0;
        return {
          ...fit,
          // Called at least once for each distinct value.
          observe: (text) => {
            if (areIds && text !== '') {
              areIds = COUNTED.test(text) && Number(text) <= LARGEST_ID;
              largest = Math.max(largest, Number(text));
            }
            fit.observe(text);
          },
          finish: () => {
            const learned = fit.finish();
            const different = vocabularySchema.parse(learned).vocabulary.offsets.length - 1;
            return areIds && largest > 0 && different >= MIN_USED * largest ? { size: largest + 1 } : learned;
          },
        };
      },

      encoder: (fitted) => {
        if (!isIds(fitted)) {
          const encoder = asTokens.encoder(fitted);
          return { ...encoder, decision: `${encoder.rows - 1} strings (tokens)` };
        }
        const { rows, direct } = asIds.encoder(fitted);
        return {
          rows,
          rule: { kind: 'id', size: rows, beyond: 'unknown', others: 'unknown', empty: 0, cells: 1 },
          direct,
          decision: `ids up to ${rows - 1}`,
          encode: (text) => findRow(text, rows),
        };
      },

      grow(before, now, drops) {
        const wereIds = isIds(before);
        if (wereIds === isIds(now)) return (wereIds ? asIds : asTokens).grow!(before, now, drops);
        throw userError('data', {
          key: `field '${field}'`,
          message: wereIds
            ? 'values were ids when it was fitted, and are not ids now'
            : 'values were strings when it was fitted, and are ids now',
          fix: 'set encoding: tokens, and train from scratch',
        });
      },
    };
  },
});

/** Returns the row of an id, 0 for anything else. */
function findRow(text: string, rows: number): number {
  try {
    const id = parseId(text);
    return id < rows ? id : 0;
  } catch {
    return 0;
  }
}
