/** Signed evaluations as sites send them: of each version on their held-out images, and of what they trained in its round. */
import { signDomains, signPayload } from '#core/crypto';
import { addScores, emptyScoreReport, groupingOf, type ScoreReport } from '#core/evaluation';
import {
  encodePayload,
  evaluationPayloadSchema,
  protocolVersion,
  type SiteId,
  type TaskId,
} from '#core/protocol';
import { seededRng } from '#core/rng';
import { evaluations } from '../../apps/coordinator/src/config/schema.ts';
import type { World } from './world.ts';

const heldOutImages = 120;
/** Different reports that there are: making one for each evaluation would take as long as a training. */
const skills = 24;
const made = new Map<string, ScoreReport>();

/** A report of a model that tells the classes apart the better the greater `skill` is. */
function reportOf(classes: number, skill: number): ScoreReport {
  const key = `${classes}/${skill}`;
  const known = made.get(key);
  if (known !== undefined) return known;
  const rng = seededRng(`report ${key}`);
  const labels = Array.from({ length: heldOutImages }, (_, at) => at % classes);
  const logits = labels.flatMap((label) =>
    Array.from({ length: classes }, (_, c) => rng.nextNormal() + (c === label ? skill / 8 : 0)),
  );
  const report = addScores(emptyScoreReport(classes), Float32Array.from(logits), labels);
  made.set(key, report);
  return report;
}

const grouping = groupingOf(Array.from({ length: heldOutImages }, (_, at) => `patient-${at >> 1}`));

/** One site's report about one adapter. */
export interface Reported {
  readonly task: TaskId;
  readonly classes: number;
  readonly site: SiteId;
  readonly subject: 'global' | 'local';
  readonly version: number;
  /** Round of a local adapter; null of a global one. */
  readonly round: number | null;
  readonly adapterDigest: string;
  readonly skill: number;
  readonly atMs: number;
}

/** Make one signed evaluation. */
export function fillReport(world: World, reported: Reported): void {
  const { task, classes, site, subject, version, round, adapterDigest, atMs } = reported;
  const report = reportOf(classes, Math.min(skills, Math.max(0, Math.round(reported.skill))));
  const payload = encodePayload(evaluationPayloadSchema, {
    type: 'evaluation',
    ...{ protocol: protocolVersion, federation: world.federation, task, site, subject },
    ...{ version, round, adapterDigest, heldOutImages, report, grouping },
  });
  const { signature } = signPayload(signDomains.evaluation, payload, world.secretKeyOf(site));
  const payloadDigest = world.blobs.add(payload);
  world.rows.add(evaluations, {
    ...{ task, subject, version, round: round ?? 0, site },
    ...{ payloadDigest, signature, heldOutImages, receivedAtMs: atMs },
  });
  const details = { subject, version, round, payloadDigest };
  world.audit('evaluation.taken', `task:${task}`, atMs, details, `site:${site}`);
}
