import { z } from 'zod';
import type { OptionsOf } from '../core/component.js';
import { columnName } from '../core/tasks.js';
import { checkSeparators, listOptions } from './bag.js';
import { computedFields, computeOnce } from './computed.js';
import { compileExpression } from './expressions/compile.js';
import { ExpressionError } from './expressions/parse.js';
import { defineColumnGroup } from './field-group.js';
import { encodedNumber, numberEncodingOption } from './number-encodings.js';

const options = () => ({ encoding: numberEncodingOption, ...listOptions });
type ExpressionOptions = OptionsOf<ReturnType<typeof options>>;

/** A number and how it is computed. */
export interface NamedExpression {
  readonly name: string;
  readonly expression: string;
}

/**
 * Numbers that are computed from the columns of a row and of side tables. A missing value makes the result missing, and
 * so does a division by zero.
 */
export const expression = defineColumnGroup(
  {
    name: 'expression',
    summary: 'number per row, computed from columns',
    options,
    check: checkSeparators,
    build({ name, expression }: NamedExpression, options: ExpressionOptions) {
      const form = { ...options.separators, format: options.format };
      const { compute, ...rest } = compileExpression(expression, form);
      const computed = { ...rest, meaning: expression, compute: computeOnce(compute) };
      return computedFields(encodedNumber(options.encoding, name), computed);
    },
  },
  {
    keys: {
      name: columnName.describe('Name of the number'),
      expression: z
        .string()
        .superRefine((text, context) => {
          const message = findProblem(text);
          if (message !== undefined) context.addIssue({ code: 'custom', message });
        })
        .describe('Expression over columns, as in clicks / impressions'),
    },
    // The schema guarantees their types.
    read: ({ name, expression }) => ({ name: name as string, expression: expression as string }),
    describe: 'Numbers, as in { name: ctr, expression: clicks / impressions }, with options of their own',
  },
);

/** Returns why a text is not an expression of columns; undefined if it is. */
function findProblem(text: string): string | undefined {
  try {
    const { sources } = compileExpression(text, { items: '|', weight: ':', format: 'auto' });
    return sources.length === 0 ? 'expected an expression with at least one column' : undefined;
  } catch (error) {
    if (error instanceof ExpressionError) return error.message;
    throw error;
  }
}
