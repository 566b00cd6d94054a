export function countCodeLines(text: string): number;
export function countRooms(): Readonly<Record<string, number>>;
export function measureTree(): Readonly<Record<string, number>>;
export function renewMeasures(page: string, text: string): string;
