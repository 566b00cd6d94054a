import { writeColumns } from '../column-file.js';
import { BadLine, decodeBytes } from '../raw-line.js';
import { findSession, type SessionTable } from '../session-table.js';
import { Growing, parseLines, type ParseAbout, type ParseTask } from './parse-lines.js';

/** Parses skeleton rows, which refer to sessions. */
export interface SkeletonTask extends ParseTask {
  readonly sessions: SessionTable;
  /** File of the sessions, for messages. */
  readonly commonPath: string;
}

/** Result for a chunk of a skeleton. */
export interface SkeletonAbout extends ParseAbout {
  /** Rows that were dropped for a purchase without a click. */
  readonly purchasesWithoutClick: number;
}

/**
 * Parses a chunk of a skeleton into one impression per row: `click` and `purchase` (U8), and `session` (U32), the row
 * of its common features.
 * @throws UserError (data, disk)
 */
export async function parseSkeleton(task: SkeletonTask): Promise<SkeletonAbout> {
  const clicks = new Growing((length) => new Uint8Array(length));
  const purchases = new Growing((length) => new Uint8Array(length));
  const sessions = new Growing((length) => new Uint32Array(length));
  let purchasesWithoutClick = 0;
  const { columns, about } = parseLines(task, (reader, bytes, readFeatures, features) => {
    reader.skipCell(bytes, 'the number of the sample');
    const click = reader.bit(bytes, 'the click');
    const purchase = reader.bit(bytes, 'the conversion');
    const begin = reader.at;
    const end = reader.skipCell(bytes, 'the index of common features');
    readFeatures();
    const session = findSession(task.sessions, bytes, begin, end);
    if (session < 0)
      throw new BadLine(`an index of common features in ${task.commonPath}`, decodeBytes(bytes, begin, end));
    if (purchase > click) {
      purchasesWithoutClick++;
      return;
    }
    features.endRow();
    clicks.push(click);
    purchases.push(purchase);
    sessions.push(session);
  });
  const result = { ...about, purchasesWithoutClick };
  if (about.bad.length <= task.maxBadRows) {
    const own = [
      ['click', clicks.filled],
      ['purchase', purchases.filled],
      ['session', sessions.filled],
    ] as const;
    await writeColumns(task.target, new Map([...columns, ...own]), result);
  }
  return result;
}
