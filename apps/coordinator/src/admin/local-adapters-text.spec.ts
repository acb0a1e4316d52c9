/** The table of what each site trained alone, at every site. */
import { addScores, emptyScoreReport } from '#core/evaluation';
import { siteIdSchema } from '#core/protocol';
import type { LocalAdapterEvaluation } from '../evaluation/evaluation.contract.ts';
import { summaryView } from '../evaluation/figure-views.ts';
import { formatLocalAdapters } from './local-adapters-text.ts';

/** Figures of so many of ten pairs in the wrong order. */
function summaryOf(wrong: number): LocalAdapterEvaluation['sites'][number]['summary'] {
  const labels = Array.from({ length: 20 }, (_, at) => at % 2);
  const logits = labels.flatMap((label, at) => [0, label === 1 ? (at < 2 * wrong ? -2 : 2) : 0]);
  return summaryView(addScores(emptyScoreReport(2), Float32Array.from(logits), labels));
}
const reported = (site: string, wrong: number) => ({
  ...{ site: siteIdSchema.parse(site), heldOutImages: 20, receivedAtMs: 1 },
  ...{ summary: summaryOf(wrong), heldOutGroups: null, intervals: null, comparison: null },
});
const kept = { adapterDigest: null, isKept: true, pooledIntervals: null };

test('the worst site comes first, and whoever refuses or is absent is named with the reason', () => {
  const [title, table, notes] = formatLocalAdapters([
    {
      ...{ ...kept, owner: siteIdSchema.parse('north'), state: 'done', reason: null },
      pooled: summaryOf(2),
      absent: [
        {
          ...{ site: siteIdSchema.parse('west'), state: 'lost' },
          reason: 'lost, no report by the deadline',
        },
      ],
      sites: [reported('south', 4), reported('north', 1)],
    },
    {
      ...{ ...kept, owner: siteIdSchema.parse('south'), state: 'declined', pooled: null },
      ...{ reason: 'declined, TASK_NOT_ALLOWED: by its policy', absent: [], sites: [] },
    },
    {
      ...{ ...kept, owner: siteIdSchema.parse('west'), state: 'done', reason: null },
      ...{ pooled: null, absent: [], sites: [] },
    },
  ]);
  expect(title).toContain('trained alone');
  expect(table?.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
    ['ADAPTER OF', 'ALL SITES', 'south', 'north', 'west'],
    ['north', '0.8000*', '0.6000', '0.9000', 'lost'],
    ['south', 'declined', '-', '-', '-'],
    ['west', '-', '-', '-', '-'],
  ]);
  expect(notes?.split('\n')).toEqual([
    '* the adapter of north is without west: lost, no report by the deadline',
    'no adapter of south: declined, TASK_NOT_ALLOWED: by its policy',
  ]);
  expect(formatLocalAdapters([])).toEqual([]);
});
