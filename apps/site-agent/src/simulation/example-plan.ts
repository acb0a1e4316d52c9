/** The commented example that `melo simulate --example` prints: it runs as it is. */

/** Every key with its meaning; what is commented out shows the default or another choice. */
export const examplePlan = `# MeLo Federation: a federation rehearsed on one machine. \`melo simulate this-file.yaml\` runs it.
# Relative paths start at the folder of this file.
version: 1
title: Three hospitals rehearse a plan

# A ViT's folder, or the small one of the repository.
backbone: nano

# Images that are drawn, of the classes normal, opacity and effusion ...
phantoms:
  images: 240
  seed: 1
  # difficulty: 1          # findings are smaller and fainter by this factor
  # heldOutShare: 0.3      # share of the patients that nobody trains on
# ... or those of a folder, a folder for each class:
# images:
#   folder: images/chest-xray
#   classes: [NORMAL, PNEUMONIA]         # in the order of the head's rows
#   # classFolders: { healthy: NORMAL, sick: PNEUMONIA }
#   groupRegex: chest-xray               # a preset, or a regular expression whose first group names the patient
#   # manifest: images/chest-xray.csv    # instead of it: path,group and a column for each class where an image may have several
#   # heldOutShare: 0.3
#   # imagesMax: 600                     # at most so many, chosen by the seed

sites: 3
# How the images are shared out. No patient stands in two splits or at two sites, and every site has images of every class.
#   { name: iid }                     the same mix everywhere
#   { name: dirichlet, alpha: 0.5 }   label skew; the smaller alpha, the stronger
#   { name: quantity, alpha: 0.5 }    large sites and small ones
#   { name: group, regex: '^(\\w+)-' } by what the regular expression finds in an image's path; without it the patients in order
#   { name: scanner }                 the same mix, and a scanner's look of its own at each site
partition: { name: dirichlet, alpha: 0.5 }

# What is trained and measured side by side, on the same held-out images:
#   federated    the task below
#   local-only   each site alone, with as many passes over its images
#   head-only    a linear probe, federated
#   pooled       one model on all images, which exists in a simulation alone
columns: [federated, local-only, head-only, pooled]
# learningRates: { local-only: 2e-3, head-only: 1e-2, pooled: 2e-3 }   # default: the task's
# measureEvery: 1          # rounds between two measurements
# engine: { name: onnx, device: auto, threads: 2 }   # default: every core; { name: tfjs, device: gpu } for a GPU

# The task as \`melo admin tasks example\` has it; backbone, classes, preprocessing and members follow from the above.
task:
  rounds: 4
  rank: 4
  alpha: 8
  # trainedTensors: all
  plan:
    optimiser: { name: adamw, learningRate: 4e-3 }
    # schedule: { name: cosine }         # over all rounds
    # duration: { unit: epochs, count: 1 }
    batchSize: 16
    # loss: { name: cross-entropy }
    # augmentation: { name: none }
  aggregation: { method: fedavg }
  site: { classPriorCorrection: true }

# Each seed gives another split, another sharing-out and another start.
seeds: [1, 2]

# Variants, one after the other; each may change task, partition, sites, columns and learningRates. What two runs have in common is trained once.
runs:
  - name: as-above
  - name: alternating
    task: { aggregation: { method: alternating } }
`;
