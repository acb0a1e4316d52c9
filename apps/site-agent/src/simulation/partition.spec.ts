import fc from 'fast-check';
import { seededRng } from '#core/rng';
import { dirichletShares, partitionGroups, type ImageGroup } from './partition.ts';
import type { Partition } from './plan.ts';

const partitions: fc.Arbitrary<Partition> = fc.oneof(
  fc.constant({ name: 'iid' } as const),
  fc.constant({ name: 'scanner' } as const),
  fc.constant({ name: 'group' } as const),
  fc.constant({ name: 'group', regex: 'x' } as const),
  fc.record({
    name: fc.constant('dirichlet' as const),
    alpha: fc.double({ min: 0.01, max: 1000, noNaN: true }),
  }),
  fc.record({
    name: fc.constant('quantity' as const),
    alpha: fc.double({ min: 0.01, max: 1000, noNaN: true }),
  }),
);

const sitesMax = 5;
const labels = ['0', '1', '2'];

/** Enough training groups of every class for one at each site, and some more of any kind. */
const groupLists: fc.Arbitrary<ImageGroup[]> = fc
  .array(
    fc.record({
      split: fc.constantFrom('train' as const, 'held-out' as const),
      label: fc.constantFrom(...labels),
      size: fc.integer({ min: 1, max: 4 }),
      origin: fc.constantFrom('a', 'b', 'c', 'd'),
    }),
    { maxLength: 60 },
  )
  .map((more) =>
    [
      ...labels.flatMap((label) =>
        Array.from({ length: sitesMax }, () => ({
          split: 'train' as const,
          label,
          size: 1,
          origin: 'a',
        })),
      ),
      ...more,
    ].map((group, at) => ({ ...group, name: `patient-${at}` })),
  );

const asked = fc.record({
  partition: partitions,
  sites: fc.integer({ min: 1, max: sitesMax }),
  seed: fc.string({ maxLength: 8 }),
});

describe('a partition', () => {
  test('puts every group, and so every image, at exactly one site, whatever the order they come in', () => {
    fc.assert(
      fc.property(groupLists, asked, (groups, options) => {
        const places = partitionGroups(groups, options);
        expect(places.size).toBe(groups.length);
        for (const site of places.values()) {
          expect(site).toBeGreaterThanOrEqual(0);
          expect(site).toBeLessThan(options.sites);
        }
        const again = partitionGroups([...groups].reverse(), options);
        expect(groups.map(({ name }) => again.get(name))).toEqual(
          groups.map(({ name }) => places.get(name)),
        );
      }),
      { numRuns: 60 },
    );
  });

  test('gives every site a training group of every class, but where it goes by origin', () => {
    fc.assert(
      fc.property(groupLists, asked, (groups, options) => {
        fc.pre(options.partition.name !== 'group');
        const places = partitionGroups(groups, options);
        for (const label of labels) {
          const own = groups.filter((group) => group.split === 'train' && group.label === label);
          const sites = new Set(own.map(({ name }) => places.get(name)));
          expect(sites.size).toBe(options.sites);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('by origin leaves every origin whole', () => {
    fc.assert(
      fc.property(groupLists, asked, (groups, { sites, seed }) => {
        const places = partitionGroups(groups, {
          sites,
          seed,
          partition: { name: 'group', regex: 'x' },
        });
        const sitesOf = new Map<string, Set<number | undefined>>();
        for (const { name, origin } of groups)
          sitesOf.set(origin, (sitesOf.get(origin) ?? new Set()).add(places.get(name)));
        for (const each of sitesOf.values()) expect(each.size).toBe(1);
      }),
      { numRuns: 30 },
    );
  });

  test('depends on its seed', () => {
    const groups = Array.from({ length: 60 }, (_, at): ImageGroup => {
      return { name: `patient-${at}`, split: 'train', label: String(at % 2), size: 1, origin: '' };
    });
    const placesOf = (seed: string): string =>
      JSON.stringify([...partitionGroups(groups, { sites: 3, seed, partition: { name: 'iid' } })]);
    expect(placesOf('a')).toBe(placesOf('a'));
    expect(placesOf('a')).not.toBe(placesOf('b'));
  });

  const skewed = (partition: Partition): number[][] => {
    const groups = Array.from({ length: 600 }, (_, at): ImageGroup => {
      return { name: `patient-${at}`, split: 'train', label: String(at % 3), size: 1, origin: '' };
    });
    const places = partitionGroups(groups, { sites: 4, seed: 'skew', partition });
    return Array.from({ length: 4 }, (_, site) =>
      labels.map(
        (label) => groups.filter((g) => g.label === label && places.get(g.name) === site).length,
      ),
    );
  };

  test('without skew is even; of quantity it keeps the mix and differs in size; of labels it differs in both', () => {
    for (const counts of skewed({ name: 'iid' })) expect(counts).toEqual([50, 50, 50]);
    const quantity = skewed({ name: 'quantity', alpha: 0.5 });
    for (const counts of quantity)
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
    const sizes = quantity.map(([first = 0]) => first);
    expect(Math.max(...sizes)).toBeGreaterThan(2 * Math.min(...sizes));
    const spreads = skewed({ name: 'dirichlet', alpha: 0.1 }).map(
      (counts) => Math.max(...counts) - Math.min(...counts),
    );
    expect(Math.max(...spreads)).toBeGreaterThan(100);
  });

  test('is refused where a class has too few patients', () => {
    const groups: ImageGroup[] = [{ name: 'a', split: 'train', label: '0', size: 9, origin: '' }];
    expect(() =>
      partitionGroups(groups, { sites: 2, seed: '', partition: { name: 'iid' } }),
    ).toThrow(/training group \(patient\) of class 0 for each of 2 sites, there are 1/);
  });
});

describe('a draw from Dirichlet(alpha)', () => {
  test('sums to 1, also where alpha is so small that all but one share vanish', () => {
    for (const alpha of [0.01, 0.1, 1, 50]) {
      const shares = dirichletShares(seededRng(`alpha ${alpha}`), alpha, 5);
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
      expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
    }
  });

  test('has the mean 1/K and the variance (K - 1) / (K^2 (K alpha + 1)) of a share', () => {
    const [sites, draws] = [3, 4000];
    for (const alpha of [0.5, 3]) {
      const rng = seededRng(`moments ${alpha}`);
      const firsts = Array.from(
        { length: draws },
        () => dirichletShares(rng, alpha, sites)[0] ?? 0,
      );
      const mean = firsts.reduce((sum, share) => sum + share, 0) / draws;
      const variance = firsts.reduce((sum, share) => sum + (share - mean) ** 2, 0) / draws;
      const expected = (sites - 1) / (sites ** 2 * (sites * alpha + 1));
      expect(Math.abs(mean - 1 / sites)).toBeLessThan(5 * Math.sqrt(expected / draws));
      expect(variance / expected).toBeGreaterThan(0.88);
      expect(variance / expected).toBeLessThan(1.12);
    }
  });
});
