// Tables of generated pages, with lines of at most 160 characters.

/** Maximum number of characters of a line, and of a type in it if the line has to be continued. */
const MAX_LINE = 160;
const MAX_TYPE = 64;

/**
 * Renders a table row. If it is too long, its last cell, and of four cells also the second (a type), continue in rows
 * whose other cells are empty.
 * @param cells key, type, default and description; or key and description
 * @returns the lines, without line feeds
 */
export function markdownRow(cells) {
  const escaped = cells.map((text) => text.replaceAll('|', '\\|').replaceAll('\n', ' '));
  const line = (texts) => `| ${texts.join(' | ')} |`;
  if (line(escaped).length <= MAX_LINE) return [line(escaped)];
  const [key, ...rest] = escaped;
  const text = rest.pop();
  const [type, ...others] = rest;
  const types = type === undefined ? [] : wrapped(type, MAX_TYPE, MAX_TYPE);
  const typeCell = (i) => (type === undefined ? [] : [types[i] ?? '']);
  const blank = others.map(() => '');
  const width = (start) => MAX_LINE - line([...start, '']).length;
  const longest = Math.max(0, ...types.slice(1).map((part) => part.length));
  const texts = wrapped(
    text,
    width([key, ...typeCell(0), ...others]),
    width(['', ...(type === undefined ? [] : [' '.repeat(longest)]), ...blank]),
  );
  return Array.from({ length: Math.max(types.length, texts.length) }, (_, i) =>
    line(i === 0 ? [key, ...typeCell(0), ...others, texts[0] ?? ''] : ['', ...typeCell(i), ...blank, texts[i] ?? '']),
  );
}

/** Breaks a text at spaces into parts of at most `first`, then `rest` characters; code and links stay whole. */
export function wrapped(text, first, rest) {
  const parts = [''];
  for (const word of text.match(/(?:`[^`]*`|\[[^\]]*\]\([^)]*\)|\S)+/g) ?? []) {
    const last = parts.at(-1);
    const limit = parts.length === 1 ? first : rest;
    if (last === '') parts[parts.length - 1] = word;
    else if (last.length + 1 + word.length <= limit) parts[parts.length - 1] = `${last} ${word}`;
    else parts.push(word);
  }
  return parts;
}
