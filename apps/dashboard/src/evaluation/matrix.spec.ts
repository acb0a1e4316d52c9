import type { Evaluations } from '../api/schemas.ts';
import { localAdapterMatrixOf, matrixOf } from './matrix.ts';

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
    localAdapters: [],
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
  expect(matrixOf({ evaluations, baselines: [], localAdapters: [] }).versions).toEqual([
    14, 15, 16, 17, 18, 19,
  ]);
});

test('what sites trained alone is a row each, the worst site first, and who refuses is named with the reason', () => {
  const shared = { state: 'done', reason: null, pooled: summary(0.8) };
  const { sites, rows, notes } = localAdapterMatrixOf({
    localAdapters: [
      {
        ...{ ...shared, owner: 'north', sites: [report('south', 0.6), report('north', 0.9)] },
        absent: [{ site: 'west', state: 'lost', reason: 'lost, no report by the deadline' }],
      },
      {
        ...{ owner: 'south', state: 'declined', reason: 'declined, by its policy', pooled: null },
        absent: ['north', 'south', 'west'].map((site) => ({ site, state: null, reason: 'none' })),
        sites: [],
      },
      { ...shared, owner: 'west', absent: [], sites: [report('south', 0.5), report('west', 0.7)] },
    ],
  });
  expect(sites).toEqual(['south', 'west', 'north']);
  expect(rows).toEqual([
    { owner: 'north', pooled: '0.800*', cells: ['0.600', 'lost', '0.900'] },
    { owner: 'south', pooled: 'declined', cells: ['–', '–', '–'] },
    { owner: 'west', pooled: '0.800', cells: ['0.500', '0.700', '–'] },
  ]);
  expect(notes).toEqual([
    '* The adapter of north is without west: lost, no report by the deadline.',
    'No adapter of south: declined, by its policy.',
  ]);
});
