/** Maximum bytes of a file name on common file systems, minus room for an extension. */
const MAX_LENGTH = 150;

/** Names that are devices on Windows, with any extension. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)$/i;

/**
 * Maps table names to file names: letters, digits, `_` and `-` stay, other bytes are percent-encoded. Names are
 * distinct even on case-insensitive file systems, and no device of Windows.
 */
export function fileNames(tables: readonly string[]): ReadonlyMap<string, string> {
  const usedNames = new Set<string>();
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
      let name = DEVICE.test(safe) ? `${safe}~` : safe;
      for (let i = 2; usedNames.has(name.toLowerCase()); i++) name = `${safe}~${i}`;
      usedNames.add(name.toLowerCase());
      return [table, name];
    }),
  );
}
