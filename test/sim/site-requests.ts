/** What a site asks of the coordinator and what the disk says to it. */
import type { RoundEvent, SiteId } from '#core/protocol';
import type { Declared, StoredUpload, Version } from './ports.ts';
import {
  openAttempt,
  reducedAt,
  unchanged,
  type Deciding,
  type Outcome,
  type Root,
} from './root.ts';

/** An attempt by its numbers. */
export interface AttemptKey {
  readonly round: number;
  readonly attempt: number;
}

/** What a site asks. */
export type SiteRequest =
  | { readonly type: 'pull'; readonly since: number }
  | { readonly type: 'accept'; readonly at: AttemptKey; readonly declared: Declared }
  | { readonly type: 'event'; readonly at: AttemptKey; readonly event: RoundEvent }
  | { readonly type: 'begin'; readonly manifest: Omit<StoredUpload, 'ranges' | 'isCommitted'> }
  | {
      readonly type: 'range';
      readonly digest: string;
      readonly index: number;
      readonly content: string;
    }
  | { readonly type: 'commit'; readonly digest: string };

/** What an attempt offers to a site. */
export interface OpenAttempt extends AttemptKey {
  readonly base: number;
  readonly baseDigest: string;
}

/** What a site is answered. */
export type SiteAnswer =
  | {
      readonly ok: true;
      readonly versions?: readonly Version[];
      readonly open?: OpenAttempt | null;
      readonly acknowledged?: readonly number[];
    }
  | { readonly ok: false; readonly code: string; readonly isRetryable: boolean };

/** A change of the disk, and the answer once it is written. */
export interface Answered extends Outcome {
  readonly answer: SiteAnswer;
}

/** Refuse. */
export const refusal = (code: string, isRetryable = false): SiteAnswer => ({
  ...{ ok: false, code, isRetryable },
});

const answered = (outcome: Outcome): Answered => ({
  ...outcome,
  answer: outcome.refusal === null ? { ok: true } : refusal(outcome.refusal),
});

const refused = (root: Root, code: string, isRetryable = false): Answered => ({
  ...unchanged(root, code),
  answer: refusal(code, isRetryable),
});

/** What is new for a site: versions, and the open attempt where it has a part in it. */
export function news(root: Root, site: SiteId, since: number): SiteAnswer {
  const open = openAttempt(root);
  const isOffered =
    open !== null &&
    (open.state.phase === 'inviting' || open.state.phase === 'training') &&
    open.state.members.some((member) => member.site === site && member.status !== 'withdrawn');
  const { round = 0, attempt = 0, base = 0 } = open ?? {};
  const baseDigest = root.versions[base]?.digest ?? '';
  return {
    ok: true,
    versions: root.versions.filter(({ version }) => version > since),
    open: isOffered ? { round, attempt, base, baseDigest } : null,
  };
}

/** Change the disk as a site's question says. */
export function answerTo(
  root: Root,
  site: SiteId,
  request: Exclude<SiteRequest, { type: 'pull' }>,
  deciding: Deciding,
): Answered {
  switch (request.type) {
    case 'accept':
      return accept(root, site, request, deciding);
    case 'event':
      return answered(reducedAt(root, request.at, request.event, deciding.ports));
    case 'begin':
      return begin(root, request.manifest, deciding);
    case 'range':
      return range(root, site, request);
    case 'commit':
      return commit(root, site, request.digest, deciding);
  }
}

/** An acceptance that the rules stand against is recorded as what it is, then refused. */
function accept(
  root: Root,
  site: SiteId,
  { at, declared }: Extract<SiteRequest, { type: 'accept' }>,
  { ports, scenario }: Deciding,
): Answered {
  const stored = root.attempts.find(
    ({ round, attempt }) => round === at.round && attempt === at.attempt,
  );
  const status = stored?.state.members.find((member) => member.site === site)?.status;
  const isNew = status === 'invited' || status === 'declined';
  const hindrance = isNew ? ports.hindrance(scenario, declared) : null;
  if (hindrance === null) {
    const event = { type: 'accepted', site, samples: declared.samples } as const;
    return answered(reducedAt(root, at, event, ports));
  }
  const event = { type: hindrance, site, reason: `it is ${hindrance} by a rule` } as const;
  const outcome = reducedAt(root, at, event, ports);
  const code = hindrance === 'declined' ? 'SAMPLES_TOO_FEW' : 'AGENT_VERSION_TOO_OLD';
  return { ...outcome, answer: refusal(outcome.refusal ?? code) };
}

function withUpload(root: Root, upload: StoredUpload): Root {
  return { ...root, uploads: new Map(root.uploads).set(upload.digest, upload) };
}

function begin(
  root: Root,
  manifest: Omit<StoredUpload, 'ranges' | 'isCommitted'>,
  { ports }: Deciding,
): Answered {
  const known = root.uploads.get(manifest.digest);
  const upload = known ?? { ...manifest, ranges: new Map(), isCommitted: false };
  const { site, digest } = manifest;
  const event = { type: 'upload-begun', site, updateDigest: digest } as const;
  const base = known === undefined ? withUpload(root, upload) : root;
  const outcome = reducedAt(base, manifest, event, ports);
  if (outcome.refusal !== null) return refused(root, outcome.refusal);
  return { ...outcome, answer: { ok: true, acknowledged: ports.acknowledgedRanges(upload) } };
}

function range(
  root: Root,
  site: SiteId,
  { digest, index, content }: Extract<SiteRequest, { type: 'range' }>,
): Answered {
  const upload = root.uploads.get(digest);
  if (upload?.site !== site) return refused(root, 'NOT_FOUND');
  if (upload.ranges.has(index)) return answered(unchanged(root));
  const ranges = new Map(upload.ranges).set(index, content);
  return answered(unchanged(withUpload(root, { ...upload, ranges })));
}

function commit(root: Root, site: SiteId, digest: string, { ports }: Deciding): Answered {
  const upload = root.uploads.get(digest);
  if (upload?.site !== site) return refused(root, 'NOT_FOUND');
  if (!ports.isWhole(upload)) return refused(root, 'UPLOAD_INCOMPLETE', true);
  const event = { type: 'reported', site, updateDigest: digest, samples: upload.samples } as const;
  const outcome = reducedAt(
    withUpload(root, { ...upload, isCommitted: true }),
    upload,
    event,
    ports,
  );
  return outcome.refusal === null ? answered(outcome) : refused(root, outcome.refusal);
}
