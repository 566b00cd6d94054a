import { writeColumns } from '../column-file.js';
import { Growing, parseLines, type ParseAbout, type ParseTask } from './parse-lines.js';

/**
 * Parses a chunk of common features into one session per row, with its index in `keys.offsets` (U32 [rows + 1]) and
 * `keys.bytes`.
 * @throws UserError (data, disk)
 */
export async function parseCommon(task: ParseTask): Promise<ParseAbout> {
  const offsets = new Growing((length) => new Uint32Array(length));
  const keys = new Growing((length) => new Uint8Array(length));
  offsets.push(0);
  const { columns, about } = parseLines(task, (reader, bytes, readFeatures, features) => {
    const begin = reader.at;
    const end = reader.skipCell(bytes, 'the index of common features');
    readFeatures();
    features.endRow();
    keys.reserve(end - begin);
    for (let i = begin; i < end; i++) keys.data[keys.length++] = bytes[i]!;
    offsets.push(keys.length);
  });
  if (about.bad.length <= task.maxBadRows) {
    await writeColumns(
      task.target,
      new Map([...columns, ['keys.offsets', offsets.filled], ['keys.bytes', keys.filled]]),
      about,
    );
  }
  return about;
}
