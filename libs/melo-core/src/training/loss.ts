/** Targets and weights of a batch, as the plan's loss wants them. */
import { checkInteger, checkLength } from '#core/check';
import type { Batch } from '#core/engine';
import { InputError, ProtocolError } from '#core/errors';
import { checkFindings, checkLabel, finding, oneAgainstAll } from '#core/evaluation';
import type { LossPlan } from '#core/protocol';

/**
 * Turn labels into target shares: (1 - e) onehot + e / C.
 *
 * @param labels - true classes (B), whole numbers in [0, C - 1]
 * @param classes - C, 2 or more
 * @param smoothing - e, in [0, 1)
 * @returns (B,C), new, rows sum to 1 within float32's rounding
 * @throws InputError DATASET_INVALID if a label is not a class
 * @see Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567
 */
export function smoothedTargets(
  labels: readonly number[],
  classes: number,
  smoothing: number,
): Float32Array {
  checkInteger(classes, 'classes', { minimum: 2, maximum: 1_000_000 });
  const targets = new Float32Array(labels.length * classes).fill(smoothing / classes);
  for (const [index, label] of labels.entries()) {
    targets[index * classes + checkLabel(label, classes, index)] =
      1 - smoothing + smoothing / classes;
  }
  return targets;
}

/**
 * Turn findings into targets y (1 - e) + e / 2, and weights.
 *
 * A finding's weight is 0 where it is unknown, else its class's weight, times its class's positive weight where it is present.
 *
 * @param findings - (B,C): 1 present, 0 absent, -1 unknown
 * @param classes - C, 2 or more
 * @param plan - smoothing e in [0, 1), and weights (C)
 * @returns targets and weights, (B,C) each, new
 * @throws InputError DATASET_INVALID if a finding is none of the three
 */
export function findingTargets(
  findings: ArrayLike<number>,
  classes: number,
  plan: Extract<LossPlan, { name: 'binary-cross-entropy' }>,
): { readonly targets: Float32Array; readonly weights: Float32Array } {
  checkFindings(findings, classes);
  const { labelSmoothing, classWeights, positiveWeights } = plan;
  const targets = new Float32Array(findings.length);
  const weights = new Float32Array(findings.length);
  for (let index = 0; index < findings.length; index++) {
    const value = findings[index];
    if (value === finding.unknown) continue;
    const isPresent = value === finding.present;
    targets[index] = (isPresent ? 1 - labelSmoothing : 0) + labelSmoothing / 2;
    const c = index % classes;
    weights[index] = (classWeights?.[c] ?? 1) * (isPresent ? (positiveWeights?.[c] ?? 1) : 1);
  }
  return { targets, weights };
}

/** A plan's weights must be one for each class; the task's definition is checked for it, a plan alone cannot be. */
function checkWeights(plan: LossPlan, classes: number): void {
  const positive = plan.name === 'binary-cross-entropy' ? plan.positiveWeights : undefined;
  for (const weights of [plan.classWeights, positive]) {
    if (weights === undefined || weights.length === classes) continue;
    throw new ProtocolError(
      'PLAN_INVALID',
      `loss: expected ${classes} weights, one for each class, got ${weights.length}; correct the plan`,
      { expected: classes, actual: weights.length },
    );
  }
}

/**
 * Make the part of a batch that says what the model should have answered.
 *
 * @param plan - the loss
 * @param labels - true classes (B); with a binary loss and without findings, each image has its own class and no other
 * @param findings - (B,C), see {@link findingTargets}; for the binary loss alone
 * @param classes - C
 * @throws ProtocolError PLAN_INVALID if the plan's weights are not C
 * @throws InputError DATASET_INVALID if a label or finding is not one, or
 *   findings stand beside the loss of one class an image, UPDATE_SHAPE_MISMATCH if they are not (B,C)
 */
export function lossInputs(
  plan: LossPlan,
  labels: readonly number[],
  findings: ArrayLike<number> | undefined,
  classes: number,
): Pick<Batch, 'loss' | 'targets' | 'weights'> {
  checkWeights(plan, classes);
  if (plan.name === 'binary-cross-entropy') {
    const known = findings ?? oneAgainstAll(labels, classes);
    checkLength(known, labels.length * classes, 'findings');
    return { loss: plan.name, ...findingTargets(known, classes, plan) };
  }
  if (findings !== undefined) {
    throw new InputError(
      'DATASET_INVALID',
      'labels: expected one class an image with the loss cross-entropy, got findings; use binary-cross-entropy in the plan',
    );
  }
  const targets = smoothedTargets(labels, classes, plan.labelSmoothing);
  const { classWeights } = plan;
  if (classWeights === undefined) return { loss: plan.name, targets };
  const weights = Float32Array.from(labels, (label) => classWeights[label] ?? 1);
  return { loss: plan.name, targets, weights };
}
