import { quoteOf, type Dialect } from '../dialect.js';

const LF = 10;
const CR = 13;

/**
 * The bytes with ends of lines in place of the characters of comments, which are whole lines that begin with what a
 * dialect says and
 * not in a quoted cell. csv-parse knows comments too, but takes one for what stands behind a closing quote. Nothing
 * moves;
 * a line feed would be one end with a carriage return before it.
 * @param bytes from the beginning of a row on; left as they are
 */
export function withoutComments(bytes: Buffer, dialect: Dialect): Buffer {
  if (!mayHaveComments(bytes, dialect)) return bytes;
  const sign = Buffer.from(dialect.comments!);
  const quote = quoteOf(dialect)?.charCodeAt(0) ?? -1;
  const masked = Buffer.from(bytes);
  let isQuoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const isComment = !isQuoted && bytes.subarray(at, at + sign.length).equals(sign);
    const begin = at;
    for (; at < bytes.length && bytes[at] !== LF && bytes[at] !== CR; at++)
      if (bytes[at] === quote && !isComment) isQuoted = !isQuoted;
    if (isComment) masked.fill(CR, begin, at);
  }
  return masked;
}

/** Whether a line begins like a comment. */
export function mayHaveComments(bytes: Buffer, { comments }: Dialect): boolean {
  return (
    comments !== undefined &&
    (bytes.subarray(0, comments.length).toString('latin1') === comments ||
      bytes.indexOf(`\n${comments}`) >= 0 ||
      bytes.indexOf(`\r${comments}`) >= 0)
  );
}
