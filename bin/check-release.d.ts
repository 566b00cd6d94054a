export function releaseProblems(tag: string, version: string, changelog: string, chart: string): readonly string[];
