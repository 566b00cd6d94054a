/** Tokens of a vocabulary that grows, and what happened to them since the last report, as in a window of a stream. */
export interface TokenCounts {
  /** Tokens with a row, and tokens that are counted before they have one, at present. */
  readonly rows: number;
  readonly pending: number;
  readonly admitted: number;
  /** Tokens whose row was cleared because they were unseen. */
  readonly expired: number;
  /** Tokens whose row was given to another one, because all rows were in use. */
  readonly evicted: number;
  /** Tokens that are not counted anymore: unseen, or the oldest of too many. */
  readonly dropped: number;
  /** Occurrences of all tokens, and of those without a row. */
  readonly occurrences: number;
  readonly outOfVocabulary: number;
}
