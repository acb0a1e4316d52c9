/** The task definition that `melo admin tasks example` prints. */
import { toHex } from '#core/bytes';
import { randomBytes } from '#core/crypto';

/** What stands in the example where only the sites know the value. */
export const fingerprintPlaceholder = 'REPLACE-WITH-THE-FINGERPRINT';

/**
 * A commented definition in YAML, complete but for the fingerprint of the backbone and the names of the sites.
 *
 * @param publicSeed - 64 hexadecimal digits; fresh ones by default, since two tasks should not share version 0
 */
export function taskExample(publicSeed = toHex(randomBytes(32))): string {
  return `# A task of MeLo Federation. A definition never changes once the task is created.
version: 1
task: chest-xray            # a-z, 0-9 and -
title: Pneumonia on paediatric chest X-rays
mode: clear                 # the coordinator opens the updates (not the images) to average them

# The frozen ViT that every member holds. The coordinator never sees it and knows it by its fingerprint:
# "melo admin sites show SITE" lists the fingerprints of what a connected site holds.
backbone:
  name: vit_tiny_patch16_224
  fingerprint: ${fingerprintPlaceholder}
  dimension: 192            # width D
  blocks: 12
  patchSize: 16
  imageSize: 224

# The same at every site; mean and std are those that the backbone was pretrained with.
preprocessing:
  version: 1
  imageSize: 224
  resize: fill
  crop: none
  kernel: cubic
  channels: rgb
  mean: [0.5, 0.5, 0.5]
  std: [0.5, 0.5, 0.5]

classes: [NORMAL, PNEUMONIA] # in the order of the head's outputs; each site maps its folders to them
rank: 4                     # r of A and B; alpha / rank is the scale
alpha: 4
publicSeed: ${publicSeed} # version 0 follows from it
trainedTensors: all         # or head: a linear probe

# What one site does in one round.
plan:
  version: 1
  optimiser: { name: adamw, learningRate: 0.002 }
  schedule: { name: cosine, totalRounds: 3 }
  duration: { unit: epochs, count: 1 }
  batchSize: 16
  loss: { name: cross-entropy, labelSmoothing: 0 } # classWeights: [1, 2] where a class is rare
  augmentation: { name: none } # or, with laterality: false where an image may be mirrored:
  # { name: standard, laterality: true, rotationDegrees: 10, cropAreaMin: 0.8, brightness: 0.2, contrast: 0.2 }
  seed: 1

aggregation: { method: fedavg, weights: samples } # or alternating, ffa, ridge, median, ...: docs/aggregation.md
site: { classPriorCorrection: true } # hospitals see the classes in different shares; or proximalWeight, privatePart, optimiserState
rounds: 3
rules:
  quorumSites: 2            # fewer reports by the deadline: the round is abandoned and tried again
  deadlineMs: 21600000      # six hours; a round ends sooner when every member has reported
  # wait: quorum            # go on as soon as the quorum is met, instead of waiting for every member
  # samplesMinimum: 100     # sites with fewer training images take no part
  # agentVersionMinimum: 0.1.0 # sites with an older agent take no part until it is updated
# Each hospital also trains alone, once, to tell whether the federation helps it; then a version may be promoted by rule,
# and training ends where it gains nothing any more (docs/evaluation.md).
# localBaseline: true
# crossEvaluation: true     # hospitals that allow it also let that adapter out, and every hospital evaluates it
# promotion: { metric: macroAuc, noSiteWorseThanLocalBy: 0.02 }
# earlyStop: { patienceRounds: 3, minimumGain: 0.001 }
members: [hospital-1, hospital-2, hospital-3]`;
}
