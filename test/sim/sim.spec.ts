import { plantedFaults } from './planted.ts';
import { simulate } from './simulate.ts';

test('in a thousand seeds no promise is broken', () => {
  const seeds = Array.from({ length: 1000 }, (_, index) => index + 1);
  const broken = seeds.flatMap((seed) =>
    simulate(seed).violations.map((violation) => ({ seed, ...violation })),
  );
  expect(broken).toEqual([]);
});

test('the runs are no idle ones: crashes, lost messages, rounds given up and versions published', () => {
  const lines: string[] = [];
  const runs = Array.from({ length: 100 }, (_, index) =>
    simulate(index + 1, {}, (line) => lines.push(line)),
  );
  const sum = (of: (run: (typeof runs)[number]) => number): number =>
    runs.reduce((total, run) => total + of(run), 0);
  expect(sum(({ versions }) => versions)).toBeGreaterThan(50);
  expect(sum(({ attempts }) => attempts)).toBeGreaterThan(sum(({ versions }) => versions));
  for (const happening of [
    'coordinator: crashes',
    'site-1: crashes',
    'lost: ',
    'again: ',
    'the disk fails',
    'takes its part back',
    'is too old',
    'an administrator: pause',
    'an administrator: abandon',
    'an administrator: rerun',
    'an administrator: rollback',
    'an administrator: shut-out',
    'an administrator: let-back',
  ])
    expect(lines.filter((line) => line.includes(happening)).length).toBeGreaterThan(5);
});

test('a seed replays to the byte, and another seed is another run', () => {
  const traceOf = (seed: number): string => {
    const lines: string[] = [];
    const { traceDigest } = simulate(seed, {}, (line) => lines.push(line));
    return `${traceDigest}\n${lines.join('\n')}`;
  };
  expect(traceOf(7)).toBe(traceOf(7));
  expect(traceOf(7)).not.toBe(traceOf(8));
});

const common = plantedFaults.filter(({ isRare }) => isRare !== true);
test.each(common)('the planted mistake $name is found: $what', ({ ports, breaks }) => {
  const seeds = Array.from({ length: 100 }, (_, index) => index + 1);
  const found = seeds.some((seed) =>
    simulate(seed, ports).violations.some(({ invariant }) => invariant === breaks),
  );
  expect(found).toBe(true);
});

test('there are twenty planted mistakes and more, each under its own name', () => {
  expect(new Set(plantedFaults.map(({ name }) => name)).size).toBe(plantedFaults.length);
  expect(plantedFaults.length).toBeGreaterThanOrEqual(20);
});
