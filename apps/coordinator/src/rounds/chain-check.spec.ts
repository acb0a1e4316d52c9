/** What a chain that does not hold says. */
import {
  envelopeDigest,
  generateAgreementKeyPair,
  generateSigningKeyPair,
  randomBytes,
  signDomains,
  signPayload,
  type SignDomain,
} from '#core/crypto';
import {
  encodePayload,
  membershipRecordSchema,
  protocolVersion,
  roundResultSchema,
  siteIdSchema,
  taskDefinitionSchema,
} from '#core/protocol';
import type { JsonValue } from '#core/errors';
import type { z } from 'zod';
import { taskShape } from '../tasks/task-store.ts';
import { taskOf } from '../testing/harness.ts';
import { ChainCheck, type StoredLink } from './chain-check.ts';
import { signOpening } from './round-opening.ts';

const federation = 'fe'.repeat(16);
const definition = taskDefinitionSchema.parse(taskOf());
const shape = taskShape(definition);
const keys = {
  signing: generateSigningKeyPair(),
  agreement: generateAgreementKeyPair(),
  wrappingKey: randomBytes(32),
};
const digestOf = (version: number): string => `${version}`.repeat(64);

interface Change {
  readonly baseVersion?: number;
  readonly result?: object;
  readonly membership?: object;
  readonly openDigest?: string;
  readonly openBase?: number;
}

/** Link `version`, with parts of it changed before they are signed. */
function link(
  version: number,
  previousResultDigest: string | null,
  change: Change = {},
): StoredLink {
  const base = change.baseVersion ?? version - 1;
  const { open, openDigest } = signOpening({
    ...{ federation, keys, definition, shape, round: version, attempt: 1, rosterEpoch: 0 },
    ...{ baseVersion: change.openBase ?? base, globalAdapterDigest: digestOf(base) },
    ...{ scheduleOffset: base, openedAtMs: 0, trainedTensors: shape.trainedTensors },
  });
  const common = {
    protocol: protocolVersion as typeof protocolVersion, // a spread widens it to any text
    ...{ federation, task: definition.task, round: version, attempt: 1 },
    members: [
      {
        ...{ site: siteIdSchema.parse('north'), status: 'reported' as const, reason: null },
        ...{ samples: 3, weight: 3, updateDigest: 'ab'.repeat(32) },
      } as const,
    ],
  };
  const sign = <Schema extends z.ZodType<JsonValue>>(
    domain: SignDomain,
    schema: Schema,
    value: z.input<Schema>,
  ) => signPayload(domain, encodePayload(schema, value), keys.signing.secretKey);
  const result = sign(signDomains.roundResult, roundResultSchema, {
    ...{ type: 'round-result', ...common, roundOpenDigest: openDigest, version },
    ...(change.baseVersion === undefined ? {} : { baseVersion: change.baseVersion }),
    ...{ adapterDigest: digestOf(version), layoutHash: shape.layout.hash, method: 'fedavg' },
    ...{ backboneFingerprint: definition.backbone.fingerprint, previousResultDigest },
    ...{ isFinal: false, ...change.result },
  });
  const membership = sign(signDomains.membership, membershipRecordSchema, {
    ...{ type: 'membership', ...common, outcome: 'published', reason: null, isComplete: true },
    ...change.membership,
  });
  return {
    ...{ version, adapterDigest: digestOf(version), result, open, membership },
    resultDigest: envelopeDigest(signDomains.roundResult, result.payload),
    openDigest: change.openDigest ?? openDigest,
  };
}

const first = link(1, null);
const second = link(2, first.resultDigest);

/** Check links one after the other; a chain of the two good ones first. */
function check(...links: readonly StoredLink[]): void {
  const chain = new ChainCheck({
    ...{ federation, task: definition.task, coordinatorPublicKey: keys.signing.publicKey },
    initialDigest: digestOf(0),
  });
  for (const each of [first, second, ...links]) chain.next(each);
}
const third = (change: Change = {}): StoredLink => link(3, second.resultDigest, change);

test('a chain holds, also where a round started from an earlier version', () => {
  expect(() => {
    check(third());
    check(third({ baseVersion: 0 }));
  }).not.toThrow();
});

const foreign = generateSigningKeyPair();
const faults: readonly [string, StoredLink, string][] = [
  ['another previous result', link(3, first.resultDigest), 'previous result'],
  ['a number left out', link(4, second.resultDigest), 'version'],
  ['another file in the row', { ...third(), adapterDigest: digestOf(9) }, 'file of the version'],
  ['another digest of the result in the row', { ...third(), resultDigest: null }, 'digest'],
  ['a result that is missing', { ...third(), result: null }, 'missing'],
  ['another base than RoundOpen has', third({ openBase: 1 }), 'version it starts from'],
  ['another file of the base', third({ baseVersion: 1, openBase: 2 }), 'starts from'],
  ['a RoundOpen of another attempt', third({ result: { attempt: 2 } }), 'attempt'],
  [
    'another RoundOpen',
    third({ result: { roundOpenDigest: digestOf(9) } }),
    'digest in the result',
  ],
  ['another digest of RoundOpen in its row', third({ openDigest: digestOf(9) }), 'in its row'],
  ['a record of an abandoned round', third({ membership: { outcome: 'abandoned' } }), 'outcome'],
];

test.each(faults)('%s is found', (_what, broken, said) => {
  expect(() => {
    check(broken);
  }).toThrow(said);
});

test('other members in the record than in the result are found', () => {
  const site = siteIdSchema.parse('south');
  const members = [
    { site, status: 'lost', reason: 'x', samples: null, weight: null, updateDigest: null },
  ];
  expect(() => {
    check(third({ membership: { members } }));
  }).toThrow('expected the members of the result');
});

test.each(['result', 'open', 'membership'] as const)('%s under another key is found', (part) => {
  const whole = third();
  const domain = {
    result: signDomains.roundResult,
    open: signDomains.roundOpen,
    membership: signDomains.membership,
  }[part];
  const payload = whole[part]?.payload ?? new Uint8Array(0);
  const forged = { ...whole, [part]: signPayload(domain, payload, foreign.secretKey) };
  expect(() => {
    check(forged);
  }).toThrow(expect.objectContaining({ code: 'SIGNATURE_INVALID' }));
});
