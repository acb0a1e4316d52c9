/** A CPU profile of V8, summed by what the time was spent on. */
import type { Profiler } from 'node:inspector';

/** What the coordinator's time goes to; `other` is Nest, the runtime and the rest of this project. */
export const categoryNames = [
  'crypto',
  'database',
  'disk',
  'messages',
  'reduce',
  'garbage',
  'other',
] as const;
/** What the coordinator's time goes to. */
export type Category = (typeof categoryNames)[number];

/** Which code is what; the first that fits counts. */
const patterns: readonly (readonly [Category, RegExp])[] = [
  ['crypto', /libsodium|melo-core\/src\/crypto/],
  ['database', /pglite|drizzle-orm|node_modules\/pg/],
  ['reduce', /melo-core\/src\/(aggregation|adapter)|adapter-work/],
  [
    'messages',
    /socket\.io|engine\.io|node_modules\/(ws|zod)\/|node:internal\/(stream|net)|node:net/,
  ],
  ['disk', /node:internal\/fs|node:fs/],
];
const idleNames = new Set(['(idle)', '(root)']);

function categoryOf({ functionName, url }: { functionName: string; url: string }): Category | null {
  if (functionName === '(garbage collector)') return 'garbage';
  return patterns.find(([, pattern]) => pattern.test(url))?.[0] ?? null;
}

/**
 * Milliseconds by category, idle time left out. Code without an address of its own, such as WebAssembly and the runtime's functions,
 * counts for its nearest caller that has a category.
 */
export function cpuByCategory(profile: Profiler.Profile): Record<Category, number> {
  const sums = { crypto: 0, database: 0, disk: 0, messages: 0, reduce: 0, garbage: 0, other: 0 };
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id])),
  );
  const categories = new Map<number, Category>();
  const resolve = (id: number): Category => {
    const known = categories.get(id);
    if (known !== undefined) return known;
    const node = nodes.get(id);
    const parent = parents.get(id);
    const own = node === undefined ? null : categoryOf(node.callFrame);
    const found = own ?? (parent === undefined ? 'other' : resolve(parent));
    categories.set(id, found);
    return found;
  };
  (profile.samples ?? []).forEach((id, at) => {
    if (idleNames.has(nodes.get(id)?.callFrame.functionName ?? '')) return;
    sums[resolve(id)] += (profile.timeDeltas?.[at] ?? 0) / 1000;
  });
  return sums;
}
