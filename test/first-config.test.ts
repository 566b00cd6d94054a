/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mtl } from './support/mtl.js';
import { scratchFolder } from './support/scratch.js';
import { writeShopLog } from './support/shop-log.js';

const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'tutorials', 'your-own-log.md'), 'utf8');
const [, section] = /## 3\. Write the config\n([\s\S]*?)\n## /.exec(page)!;
const [, config] = /```yaml\n([\s\S]*?)```/.exec(section!)!;

interface Space {
  readonly auc: number;
  readonly rows: number;
}

describe("the config of the tutorial on a reader's own log", () => {
  it('has 25 lines or fewer', () => {
    expect(config!.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(25);
  });

  it("trains on a shop's log at the first attempt, by the commands beside it, and predicts it", async () => {
    const folder = scratchFolder();
    writeShopLog(folder);
    writeFileSync(join(folder, 'shop.yaml'), config!);
    const info = await mtl(folder, ['data', 'info', 'shop.yaml']);
    expect([info.code, info.stdout]).toEqual([0, expect.stringContaining('pay')]);
    const trained = await mtl(folder, ['train', 'shop.yaml', '--json']);
    expect([trained.code, trained.stderr]).toEqual([0, expect.not.stringMatching(/bug|NaN/)]);
    const { metrics } = JSON.parse(trained.stdout) as { metrics: { test: Record<string, Space> } };
    expect(metrics.test['click']!.rows).toBe(800);
    // What the log was made to tell is found: whom an item suits, and what is bought.
    expect(metrics.test['click']!.auc).toBeGreaterThan(0.65);
    expect(metrics.test['ctpay']!.auc).toBeGreaterThan(0.65);
    expect(metrics.test['pay']!.rows).toBeLessThan(metrics.test['cart']!.rows);
    const predicted = await mtl(folder, [
      'predict',
      'runs/latest',
      '--data',
      'logs/2026-11-07.csv',
      '--out',
      'scores.csv',
      '--keep',
      'user',
      'item',
    ]);
    expect(predicted.code).toBe(0);
    const lines = readFileSync(join(folder, 'scores.csv'), 'utf8').trim().split('\n');
    expect(lines).toHaveLength(801);
    expect(lines[0]).toBe('user,item,click,cart,ctcart,pay,ctpay');
  });
});
