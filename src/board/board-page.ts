import type { LivePage } from './live-page.js';
import type { RunWatch } from './run-watch.js';

/** A kind of page. */
export interface BoardPage {
  readonly path: string;
  /**
   * Opens the page as it is now.
   * @throws Refusal if the query names something that does not exist
   */
  open(watch: RunWatch, query: URLSearchParams): LivePage | Promise<LivePage>;
}
