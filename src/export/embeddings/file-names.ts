/** Bytes of a name that file systems take, with room for an ending. */
const MAX_LENGTH = 150;

/**
 * Names of files for names of tables, which may be any text: letters, digits, `_` and `-` stay, all else is its bytes
 * as in a
 * URL. No two are the same where a file system does not tell capitals from small letters.
 */
export function fileNames(tables: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Set<string>();
  return new Map(
    tables.map((table) => {
      const safe = [...Buffer.from(table)]
        .map((byte) =>
          /[\w-]/.test(String.fromCharCode(byte))
            ? String.fromCharCode(byte)
            : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`,
        )
        .join('')
        .slice(0, MAX_LENGTH);
      let name = safe;
      for (let i = 2; taken.has(name.toLowerCase()); i++) name = `${safe}~${i}`;
      taken.add(name.toLowerCase());
      return [table, name];
    }),
  );
}
