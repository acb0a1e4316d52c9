import { addScores, emptyScoreReport, type ScoreReport } from '#core/evaluation';
import {
  earlyStopRuleSchema,
  promotionRuleSchema,
  siteIdSchema,
  type SiteId,
} from '#core/protocol';
import { judgeEarlyStop, judgePromotion, type ReportsBySite } from './judge-version.ts';

const [north, south, west] = ['north', 'south', 'west'].map((name) => siteIdSchema.parse(name));
const members: readonly SiteId[] = [north, south, west].filter((site) => site !== undefined);

/** Ten images of each class, of which so many pairs are in the wrong order: an AUC of 1 - wrong / 10. */
function report(wrong: number): ScoreReport {
  const labels = Array.from({ length: 20 }, (_, at) => at % 2);
  const logits = labels.flatMap((label, at) => [0, label === 1 ? (at < 2 * wrong ? -2 : 2) : 0]);
  return addScores(emptyScoreReport(2), Float32Array.from(logits), labels);
}
/** A report whose images are all of one class: no AUC is defined. */
const oneClass = addScores(emptyScoreReport(2), Float32Array.of(1, 0), [0]);

const reports = (...wrong: readonly (number | ScoreReport | null)[]): ReportsBySite =>
  new Map(
    members.flatMap((site, at) => {
      const each = wrong[at] ?? null;
      if (each === null) return [];
      return [[site, typeof each === 'number' ? report(each) : each] as const];
    }),
  );
const judge = (rule: object, about: Partial<Parameters<typeof judgePromotion>[1]>) =>
  judgePromotion(promotionRuleSchema.parse(rule), {
    ...{ members, candidate: reports(2, 2, 2), promoted: null, baselines: new Map() },
    ...about,
  });

test('a version passes with its figure; below the least one it does not', () => {
  expect(judge({ minimum: 0.75 }, {})).toMatchObject({
    isPassed: true,
    reason: 'macroAuc 0.8000',
    figures: { macroAuc: 0.8, absent: null },
  });
  expect(judge({ minimum: 0.85 }, {})).toMatchObject({
    isPassed: false,
    reason: 'macroAuc 0.8000 is less than 0.85',
  });
});

test('an absent site has not passed and is named, unless the rule says otherwise', () => {
  const candidate = reports(2, null, 2);
  expect(judge({}, { candidate })).toMatchObject({
    isPassed: false,
    reason: 'no evaluation of south',
  });
  expect(judge({ absentSites: 'ignore' }, { candidate })).toMatchObject({
    isPassed: true,
    reason: 'macroAuc 0.8000, without south',
    figures: { absent: 'south' },
  });
});

test('what is undefined has not passed', () => {
  expect(judge({}, { candidate: reports(oneClass, oneClass, oneClass) })).toMatchObject({
    isPassed: false,
    reason: 'macroAuc over all sites is undefined',
    figures: { macroAuc: null },
  });
  const absent = judge({ absentSites: 'ignore' }, { candidate: new Map() });
  expect(absent.isPassed).toBe(false);
});

test('a version is compared with the promoted one over the sites that reported both', () => {
  // South was bad then and is away now: over north and west alone the new version is worse.
  const promoted = { version: 3, reports: reports(1, 9, 1) };
  const candidate = reports(2, null, 2);
  expect(judge({ absentSites: 'ignore' }, { candidate, promoted })).toMatchObject({
    isPassed: false,
    reason: 'macroAuc 0.8000 is less than 0.9000 of version 3',
    figures: { 'version 3': 0.9 },
  });
  expect(
    judge({ absentSites: 'ignore', noWorseThanPromotedBy: 0.11 }, { candidate, promoted }).isPassed,
  ).toBe(true);
});

test('no site may be worse than alone by more than the margin, and each that is is named', () => {
  const rule = { noSiteWorseThanLocalBy: 0.05 };
  const baselines = reports(2, 1, 5);
  expect(judge(rule, { baselines })).toMatchObject({
    isPassed: false,
    reason: 'south: macroAuc 0.8000 is less than 0.9000 alone by more than 0.05',
    figures: { north: 0.8, 'south alone': 0.9 },
  });
  expect(judge({ noSiteWorseThanLocalBy: 0.11 }, { baselines }).isPassed).toBe(true);
  expect(judge(rule, { baselines: reports(2, 2, null) })).toMatchObject({
    isPassed: false,
    reason: 'west: macroAuc of what it trained alone is not there or undefined',
  });
  const ignored = judge({ ...rule, absentSites: 'ignore' }, { baselines: reports(2, 2, null) });
  expect(ignored.isPassed).toBe(true);
});

test('training ends once the last versions have not gained on the best before them', () => {
  const rule = earlyStopRuleSchema.parse({ patienceRounds: 2, minimumGain: 0.01 });
  expect(judgeEarlyStop(rule, [0.7, 0.8])).toBeNull(); // too few to tell
  expect(judgeEarlyStop(rule, [0.7, 0.8, 0.79])).toBeNull();
  expect(judgeEarlyStop(rule, [0.7, 0.8, 0.79, 0.81])).toBeNull(); // a gain of exactly what is asked
  expect(judgeEarlyStop(rule, [0.7, 0.8, 0.79, 0.805])).toBe(
    'early stop: macroAuc was 0.8000 and did not gain 0.01 in 2 versions (best since: 0.8050)',
  );
});
