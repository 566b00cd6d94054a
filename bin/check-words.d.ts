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
export function glossaryPage(page: string): string;
