/**
 * The site's own say: a round is accepted only if its task and backbone are listed here, it describes exactly what this
 * agent would compute, and it continues the chain of versions that this site knows. Pure; everything else declines.
 */
import { adapterLayout, adapterSpecification, resolveTrainedTensors } from '#core/adapter';
import type { AdapterLayout, AdapterSpecification } from '#core/adapter';
import { isErrorCode, MeloError, errorCatalog, type ErrorCode } from '#core/errors';
import { planDigest, preprocessingDigest, type RoundOpen } from '#core/protocol';
import type { TaskConfig } from '../config/agent-config.ts';

/** A backbone on this machine, as its inspection found it. */
export interface KnownBackbone {
  readonly path: string;
  readonly name: string;
  readonly fingerprint: string;
  readonly dimension: number;
  readonly blocks: number;
  readonly imageSize: number;
}

/** What this site knows of a task's versions; `version` is the newest. */
export interface KnownVersion {
  readonly version: number;
  /** Digest of the version's file; null for version 0, which is derived from the public seed. */
  readonly adapterDigest: string | null;
  /** The same of every version by its number; empty where an older release did not keep them. */
  readonly adapterDigests: readonly (string | null)[];
}

/** What the site allows. */
export interface SitePolicy {
  readonly site: string;
  readonly federation: string;
  readonly tasks: ReadonlyMap<string, TaskConfig>;
  readonly backbones: readonly KnownBackbone[];
}

/** A round this site may work on, with what follows from RoundOpen. */
export interface ApprovedRound {
  readonly open: RoundOpen;
  readonly task: TaskConfig;
  readonly backbone: KnownBackbone;
  readonly specification: AdapterSpecification;
  readonly layout: AdapterLayout;
}

/** Why a round is declined, in words that may leave the site. */
export interface Decline {
  readonly code: ErrorCode;
  readonly reason: string;
}

/** What the policy says. */
export type Judgement =
  | { readonly isApproved: true; readonly round: ApprovedRound }
  | { readonly isApproved: false; readonly decline: Decline };

const decline = (code: ErrorCode, reason: string): Judgement => ({
  isApproved: false,
  decline: { code, reason },
});

function checkDescription(open: RoundOpen, layout: AdapterLayout): Decline | null {
  if (layout.hash !== open.layoutHash) {
    return { code: 'LAYOUT_MISMATCH', reason: 'this site derives another layout of the adapter' };
  }
  if (planDigest(open.plan) !== open.planDigest) {
    return { code: 'PLAN_INVALID', reason: 'the plan does not have the digest that was signed' };
  }
  if (preprocessingDigest(open.preprocessing) !== open.preprocessingDigest) {
    return {
      code: 'PLAN_INVALID',
      reason: 'the preprocessing does not have the digest that was signed',
    };
  }
  resolveTrainedTensors(open.trainedTensors, layout); // throws on a name that the layout lacks
  return null;
}

/** The digest that this site knows of a version: null for a version 0 not seen yet, undefined for one it does not know. */
export function digestOf(
  { version, adapterDigest, adapterDigests }: KnownVersion,
  of: number,
): string | null | undefined {
  if (of === version && adapterDigest !== null) return adapterDigest;
  return of === 0 && version === 0 ? (adapterDigests[0] ?? null) : adapterDigests[of];
}

/**
 * Check that the round follows the newest version this site knows and starts from one that it knows, by its digest: the
 * newest, or an earlier one where the task is run again. A rolled-back coordinator is seen here.
 */
function checkChain(open: RoundOpen, known: KnownVersion): Decline | null {
  const digest = digestOf(known, open.globalVersion);
  const isContinued =
    open.round === known.version + 1 &&
    open.globalVersion <= known.version &&
    digest !== undefined &&
    (digest === null || digest === open.globalAdapterDigest);
  if (isContinued) return null;
  return {
    code: 'VERSION_FORK',
    reason: `round ${open.round} starts from version ${open.globalVersion}, this site knows versions up to ${known.version}, or another file under that number`,
  };
}

/** Judge a RoundOpen whose signature was verified. */
export function judgeRoundOpen(
  open: RoundOpen,
  policy: SitePolicy,
  known: KnownVersion,
): Judgement {
  if (
    open.federation !== policy.federation ||
    !open.members.some((member) => member === policy.site)
  ) {
    return decline('NOT_A_MEMBER', 'this site is not a member of the round');
  }
  const task = policy.tasks.get(open.task);
  if (task === undefined) {
    return decline(
      'TASK_NOT_ALLOWED',
      `the policy of this site does not list the task ${open.task}`,
    );
  }
  const backbone = policy.backbones.find((each) => each.fingerprint === open.backboneFingerprint);
  if (backbone === undefined) {
    return decline('BACKBONE_MISMATCH', 'this site has no allowed backbone with that fingerprint');
  }
  if (open.preprocessing.imageSize !== backbone.imageSize) {
    return decline(
      'BACKBONE_MISMATCH',
      `the backbone takes images of ${backbone.imageSize} pixels`,
    );
  }
  try {
    const specification = adapterSpecification({
      rank: open.rank,
      alpha: open.alpha,
      classes: open.classes,
      dimension: backbone.dimension,
      blocks: backbone.blocks,
      ...(open.pooling === undefined ? {} : { pooling: open.pooling }),
    });
    const layout = adapterLayout(specification);
    const fault = checkDescription(open, layout) ?? checkChain(open, known);
    if (fault !== null) return { isApproved: false, decline: fault };
    return { isApproved: true, round: { open, task, backbone, specification, layout } };
  } catch (error) {
    return { isApproved: false, decline: declineForError(error) };
  }
}

/**
 * Say why a local failure declines a round, in words that may leave the site: the code's public sentence, never a message
 * that could name files, folders or patients.
 */
export function declineForError(error: unknown): Decline {
  const code =
    error instanceof MeloError && isErrorCode(error.code) ? error.code : ('INTERNAL' as const);
  return {
    code,
    reason: `${errorCatalog[code].publicMessage} The log of the site's agent says more.`,
  };
}
