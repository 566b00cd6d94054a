import { z } from 'zod';
import { columnName } from '../tasks.js';

/** A list of columns. */
export const fieldNames = z.array(columnName).min(1).describe('columns of the CSV');
