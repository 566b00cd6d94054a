const [OPEN_METRICS, VERSION] = ['application/openmetrics-text', '1.0.0'];

/** Content type of OpenMetrics. */
export const OPEN_METRICS_TYPE = `${OPEN_METRICS}; version=${VERSION}; charset=utf-8`;

/** Returns whether an `Accept` header prefers OpenMetrics to Prometheus text, which is the default. */
export function prefersOpenMetrics(accept = ''): boolean {
  const ranges = accept.split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const values = new Map(parameters.map((parameter) => parameter.split('=', 2) as [string, string | undefined]));
    return { type, version: values.get('version') ?? VERSION, quality: Number(values.get('q') ?? 1) };
  });
  const qualityOf = (types: readonly string[]): number =>
    Math.max(0, ...ranges.filter(({ type }) => types.includes(type)).map(({ quality }) => quality));
  const open = ranges.filter(({ type, version }) => type === OPEN_METRICS && version === VERSION);
  return open.some(({ quality }) => quality > 0 && quality >= qualityOf(['text/plain', 'text/*', '*/*']));
}

/**
 * Converts Prometheus text of version 0.0.4 to OpenMetrics: families of counters lose `_total`, bounds of buckets are
 * floats, and `# EOF` ends the text. prom-client's own OpenMetrics renames the counters of a registry for good.
 */
export function toOpenMetrics(text: string): string {
  const counters = new Set([...text.matchAll(/^# TYPE (\S+)_total counter$/gm)].map(([, family]) => family));
  const families = text
    .replace(/^(# (?:HELP|TYPE) )(\S+)_total /gm, (line, start: string, family: string) =>
      counters.has(family) ? `${start}${family} ` : line,
    )
    .replace(/([{,]le="-?\d+)"/g, '$1.0"')
    .replace(/\n{2,}/g, '\n');
  return `${families}# EOF\n`;
}
