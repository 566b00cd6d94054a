export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly found: string;
  readonly use: string;
}
export function isChecked(path: string): boolean;
export function findBannedWords(path: string, content: string, lines?: ReadonlySet<number>): readonly Finding[];
export function findingLine(finding: Finding): string;
export function addedLines(diff: string): ReadonlyMap<string, ReadonlySet<number>>;
export function wordsTable(): string;
export function renewWordsTable(page: string): string;
/** Counts of the features of a style, and of `words`, by name. */
export type StyleCounts = Readonly<Record<string, number>>;
export interface StyleLimits {
  readonly docs: { readonly most: StyleCounts; readonly least: StyleCounts };
  readonly page: { readonly words: number; readonly most: StyleCounts };
}
export const STYLE_LIMITS: StyleLimits;
export function countStyle(content: string): StyleCounts;
export function findStyleProblems(pages: ReadonlyMap<string, string>, limits?: StyleLimits): readonly string[];
