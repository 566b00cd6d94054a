// Tables of generated pages.

/**
 * Renders a table. A row is one line, since Markdown cannot continue a row.
 * @param head names of the columns
 * @param rows cells of each row
 * @returns the table, with a final line feed
 */
export function markdownTable(head, rows) {
  const line = (cells) => `| ${cells.map((text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line), ''].join('\n');
}

/** Breaks a text at spaces into lines of at most `limit` characters; code and links stay whole. */
export function wrapText(text, limit) {
  const lines = [''];
  for (const word of text.match(/(?:`[^`]*`|\[[^\]]*\]\([^)]*\)|\S)+/g) ?? []) {
    const last = lines.at(-1);
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= limit) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
