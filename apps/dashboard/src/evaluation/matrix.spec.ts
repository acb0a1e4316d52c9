import type { Evaluations } from '../api/schemas.ts';
import { matrixOf } from './matrix.ts';

const summary = (macroAuc: number | null) => ({
  ...{ count: 10, loss: 0.5, balancedAccuracy: null, macroAuc, macroAucErrorBound: 0.01 },
});
const report = (site: string, auc: number | null) => ({
  site,
  heldOutImages: 10,
  summary: summary(auc),
});
const version = (number: number): Evaluations['evaluations'][number] => ({
  version: number,
  pooled: summary(0.9),
  pooledIntervals: { macroAuc: [0.85, 0.95] },
  absent: [],
  decision: null,
  sites: [report('south', 0.6), report('north', null)],
  local: [],
});

test('sites are in the order of the newest version, and whoever is absent is named', () => {
  const absent = [{ site: 'west', state: 'lost', reason: 'no report by the deadline' }];
  const decision = { promotion: 'refused', reason: 'no evaluation of west' };
  const { rows, notes, versions } = matrixOf({
    evaluations: [{ ...version(4), absent, decision }, version(3)],
    baselines: [report('south', 0.7)],
  });
  expect(versions).toEqual([3, 4]);
  expect(rows).toEqual([
    { name: 'all sites (pooled)', alone: '', cells: ['0.900 (0.85–0.95)', '0.900* (0.85–0.95)'] },
    { name: 'south', alone: '0.700', cells: ['0.600', '0.600'] },
    { name: 'north', alone: '', cells: ['–', '–'] },
    { name: 'west', alone: '', cells: ['no report', 'lost'] },
  ]);
  expect(notes).toEqual([
    '* Version 4 is without west: no report by the deadline.',
    'Version 4 was refused by rule: no evaluation of west.',
  ]);
});

test('of many versions the newest are shown', () => {
  const evaluations = Array.from({ length: 20 }, (_, at) => version(at));
  expect(matrixOf({ evaluations, baselines: [] }).versions).toEqual([14, 15, 16, 17, 18, 19]);
});
