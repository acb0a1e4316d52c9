/** The fixed inputs of the test vectors of docs/crypto.md. */
import { adapterLayout, adapterSpecification } from '#core/adapter';
import { toHex, utf8 } from '#core/bytes';
import { agreementKeyPairFromSecret, signingKeyPairFromSeed } from '../primitives.ts';
import { envelopeDigest, signDomains } from '../signing.ts';

/** One vector: what goes in and what comes out, as text; bytes are in hexadecimal. */
export interface Vector {
  readonly name: string;
  readonly given: Readonly<Record<string, string>>;
  readonly result: Readonly<Record<string, string>>;
}

/** Bytes that count up from `start`: an order or a length that is wrong shows. */
export const counting = (start: number, length: number): Uint8Array =>
  new Uint8Array(length).map((_unused, index) => (start + index) & 0xff);

/** The keys that every vector uses. */
export const keys = {
  coordinatorSigning: signingKeyPairFromSeed(counting(0x00, 32)),
  coordinatorAgreement: agreementKeyPairFromSecret(counting(0x20, 32)),
  siteSigning: signingKeyPairFromSeed(counting(0x40, 32)),
  siteAgreement: agreementKeyPairFromSecret(counting(0x60, 32)),
  round: agreementKeyPairFromSecret(counting(0x80, 32)),
  ephemeral: agreementKeyPairFromSecret(counting(0xa0, 32)),
};

/** Names and contexts that several vectors share. */
export const names = {
  federation: '000102030405060708090a0b0c0d0e0f',
  task: 'chest',
  site: 'alpha',
  url: 'https://melo.example.org',
  nonce: counting(0xc0, 32),
  enrollmentSecret: counting(0xe0, 16),
} as const;

/** The adapter of the vectors: one block, D = 4, r = 2, C = 2. */
export const specification = adapterSpecification({
  rank: 2,
  alpha: 2,
  classes: ['normal', 'pneumonia'],
  dimension: 4,
  blocks: 1,
});
/** Its layout. */
export const layout = adapterLayout(specification);
/** The seed that its version 0 follows from. */
export const publicSeed = toHex(counting(0x10, 32));

/** What the sealed update of the vectors is bound to. */
export const updateContext = {
  federation: names.federation,
  task: names.task,
  round: 3,
  attempt: 2,
  site: names.site,
  layoutHash: layout.hash,
} as const;

/** The payload whose digest the sealed update of the vectors is bound to. */
export const roundOpenPayload = '{"type":"round-open"}';

/** Its digest. */
export const roundOpenDigest = envelopeDigest(signDomains.roundOpen, utf8(roundOpenPayload));
