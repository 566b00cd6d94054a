export function isInstallStale(root: string): boolean;
export function isBuildStale(root: string): boolean;
