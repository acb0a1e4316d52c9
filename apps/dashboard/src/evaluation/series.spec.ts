import type { Evaluation } from '../api/schemas.ts';
import { linesOf, newestEvaluated, siteFigures } from './series.ts';

const summary = (macroAuc: number | null) => ({
  count: 10,
  loss: 0.5,
  balancedAccuracy: null,
  macroAuc,
  macroAucErrorBound: 0.01,
});
const report = (site: string, auc: number | null) => ({
  site,
  heldOutImages: 10,
  summary: summary(auc),
});
const evaluation = (version: number, change: Partial<Evaluation> = {}): Evaluation => ({
  version,
  pooled: summary(0.9),
  sites: [report('north', 0.8), report('south', 0.6)],
  local: [],
  pooledIntervals: null,
  absent: [],
  decision: null,
  ...change,
});

const auc = { figure: 'macroAuc' } as const;
const evaluations = (...all: readonly Evaluation[]) => ({
  evaluations: [...all],
  baselines: [],
  localAdapters: [],
});

describe('lines', () => {
  test('the pooled line is what was pooled, not a mean of the sites', () => {
    const { points } = linesOf(evaluations(evaluation(1)), auc);
    expect(points).toEqual([{ version: 'v1', all: 0.9, site0: 0.8, site1: 0.6 }]);
  });

  test('versions are in order, and what was not reported is a gap', () => {
    const first = evaluation(1, { sites: [report('south', null)], pooled: null });
    const { points, lines } = linesOf(evaluations(evaluation(2), first), auc);
    expect(lines.map(({ label }) => label)).toEqual(['north', 'south', 'all sites (pooled)']);
    expect(points).toEqual([
      { version: 'v1', all: null, site0: null, site1: null },
      { version: 'v2', all: 0.9, site0: 0.8, site1: 0.6 },
    ]);
  });

  test('a site may be named like a part of the chart', () => {
    const odd = evaluation(1, { sites: [report('version', 0.7), report('all', 0.2)] });
    expect(linesOf(evaluations(odd), auc).points).toEqual([
      { version: 'v1', all: 0.9, site0: 0.2, site1: 0.7 },
    ]);
  });

  test('one site stands beside its own adapter of the round, and what it trained alone', () => {
    const all = {
      evaluations: [
        evaluation(0, { local: [{ ...report('north', 0.55), round: 1 }] }),
        evaluation(1, { local: [{ ...report('south', 0.1), round: 2 }] }),
      ],
      baselines: [report('north', 0.7)],
      localAdapters: [],
    };
    const { points, lines } = linesOf(all, { ...auc, site: 'north' });
    expect(lines.map(({ kind }) => kind)).toEqual(['site', 'own', 'alone', 'pooled']);
    expect(points).toEqual([
      { version: 'v0', site: 0.8, own: null, alone: 0.7, all: 0.9 },
      { version: 'v1', site: 0.8, own: 0.55, alone: 0.7, all: 0.9 },
    ]);
  });

  test('another task stands beside with its own pooled line, and the newest are kept', () => {
    const other = [evaluation(2, { pooled: summary(0.4) }), evaluation(3, { pooled: null })];
    const options = { ...auc, beside: { label: 'other', evaluations: other }, newest: 2 };
    const { points } = linesOf(evaluations(evaluation(1), evaluation(2)), options);
    expect(points).toEqual([
      { version: 'v2', site0: 0.8, site1: 0.6, beside: 0.4, all: 0.9 },
      { version: 'v3', site0: null, site1: null, beside: null, all: null },
    ]);
  });
});

test('the newest version that was evaluated counts', () => {
  const all = [evaluation(2), evaluation(3, { pooled: null, sites: [] }), evaluation(1)];
  expect(newestEvaluated(all)?.version).toBe(2);
  expect(newestEvaluated([])).toBeUndefined();
});

test("a site's own adapter is that of the last round up to the version", () => {
  const local = (round: number, auc: number) => ({ ...report('north', auc), round });
  const all = [
    evaluation(0, { local: [local(1, 0.5)] }),
    evaluation(1, { local: [local(2, 0.55)] }),
    evaluation(2, { local: [local(3, 0.99)] }),
  ];
  const [, , latest] = all;
  if (latest === undefined) throw new Error('three');
  expect(siteFigures(latest, all).map(({ site, ownAuc }) => [site, ownAuc])).toEqual([
    ['north', 0.55],
    ['south', null],
  ]);
});
