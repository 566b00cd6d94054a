import { userError } from '../../core/errors.js';
import type { RowFilter } from '../rows/row-filter.js';
import { withFilter } from '../rows/row-format.js';
import { wrapSource, type Source } from './source.js';

/**
 * Some of the rows of a source.
 * @throws UserError (data) for shards, whose rows are taken as they are
 */
export function filteredSource(source: Source, filter: RowFilter): Source {
  if (!source.takesRules) {
    const key = filter.split === undefined ? 'data.where' : 'data.split';
    throw userError('data', {
      where: source.path,
      key,
      message: 'does not apply to a directory of shards, whose rows are already encoded',
      fix: `create new shards, or remove ${key}`,
    });
  }
  return wrapSource(source, {
    fit: (format, reading) => source.fit(withFilter(format, filter), reading),
    dataset: (format, reading) => source.dataset(withFilter(format, filter), reading),
    stream: (format, kept, reading) => source.stream(withFilter(format, filter), kept, reading),
  });
}
