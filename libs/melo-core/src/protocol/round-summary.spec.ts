import {
  describeRound,
  isReleaseAtLeast,
  memberStatusSchema,
  missingMembers,
  roundPhaseSchema,
  roundRulesSchema,
  type SummarisedMember,
  type SummarisedRound,
} from './index.ts';

const member = (
  site: string,
  status: SummarisedMember['status'],
  reason: string | null = null,
) => ({
  site,
  status,
  reason,
});
const round = (change: Partial<SummarisedRound>): SummarisedRound => ({
  phase: 'published',
  reason: null,
  quorumSites: 1,
  members: [],
  ...change,
});
const here = member('site-a', 'reported');
const lost = member('site-b', 'lost', 'no report by the deadline (was training)');

describe('a round in one sentence', () => {
  test.each<[string, SummarisedRound]>([
    ['published with all of its 1 site', round({ members: [here] })],
    ['published with all of its 2 sites', round({ members: [here, member('site-b', 'reported')] })],
    [
      'published without site-b: lost, no report by the deadline (was training)',
      round({ members: [here, lost] }),
    ],
    [
      'abandoned: 1 of 2 sites reported, the quorum is 2; without site-b: lost, no report by the deadline (was training)',
      round({
        phase: 'abandoned',
        reason: '1 of 2 sites reported, the quorum is 2',
        members: [here, lost],
      }),
    ],
    [
      'training, 1 of 3 sites reported; without site-b: declined, policy',
      round({
        phase: 'training',
        members: [here, member('site-b', 'declined', 'policy'), member('site-c', 'training')],
      }),
    ],
    [
      'training, 0 of 2 sites reported; the quorum of 2 cannot be met any more; without site-b: declined, policy',
      round({
        phase: 'training',
        quorumSites: 2,
        members: [member('site-a', 'invited'), member('site-b', 'declined', 'policy')],
      }),
    ],
    [
      'inviting, 0 of 1 site reported; without site-a: held back, the agent is too old',
      round({ phase: 'inviting', members: [member('site-a', 'invited', 'the agent is too old')] }),
    ],
  ])('%s', (sentence, given) => {
    expect(describeRound(given)).toBe(sentence);
  });

  test('names every member of a settled round but those that reported', () => {
    const members = memberStatusSchema.options.map((status) =>
      member(`site-${status}`, status, 'so'),
    );
    for (const phase of roundPhaseSchema.options) {
      const sentence = describeRound(round({ phase, members }));
      const named = members.filter(({ site }) => sentence.includes(site));
      expect(named).toEqual(missingMembers({ phase, members }));
      if (phase === 'published' || phase === 'abandoned')
        expect(named).toEqual(members.filter(({ status }) => status !== 'reported'));
    }
  });
});

test.each([
  ['0.2.0', '0.2.0', true],
  ['0.10.0', '0.9.9', true],
  ['1.0.0', '0.99.99', true],
  ['0.1.9', '0.2.0', false],
  ['0.2.0-rc.1', '0.2.0', false],
  ['0.2.1-rc.1', '0.2.0', true],
  ['0.2.0+build.5', '0.2.0', true],
  ['0.2', '0.2.0', false],
  ['newest', '0.0.0', false],
  ['0.2.0.1', '0.2.0', false],
])('release %s against the minimum %s: %s', (actual, minimum, isEnough) => {
  expect(isReleaseAtLeast(actual, minimum)).toBe(isEnough);
});

describe('the rules of a round', () => {
  test('of the first release keep their text: nothing is filled in', () => {
    const rules = { quorumSites: 2, quorumSampleShare: 0.5, deadlineMs: 5000 };
    expect(JSON.stringify(roundRulesSchema.parse(rules))).toBe(JSON.stringify(rules));
  });

  test.each([
    { wait: 'nobody' },
    { samplesMinimum: 0 },
    { agentVersionMinimum: '1.2' },
    { agentVersionMinimum: '1.02.0' },
    { wait: undefined },
  ])('refuse %j', (rules) => {
    expect(roundRulesSchema.safeParse({ quorumSites: 1, ...rules }).success).toBe(false);
  });
});
