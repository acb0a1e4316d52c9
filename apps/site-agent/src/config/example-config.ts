/** The commented example that `melo agent init` writes. */

/** Every key with its meaning; what is commented out shows the default. */
export const exampleConfig = `# MeLo Federation: configuration of this hospital's site agent, and its policy.
# Only the tasks and backbones listed here are ever worked on; everything else is declined.
# Relative paths start at the folder of this file.

# Keys, pinned coordinator, journal, outbox and caches; readable by the agent's user alone.
dataDirectory: data

# An extra certificate authority for TLS, if the coordinator's certificate is not signed by a public one.
# caFile: hospital-ca.pem

# Frozen backbones on this machine (a folder with model.safetensors and its configuration).
# With a fingerprint the agent refuses to start on any other file.
backbones:
  - path: backbones/vit_tiny_patch16_224
    # fingerprint: 64 hexadecimal digits, as \`melo agent status\` prints them

engine:
  name: onnx              # or tfjs, or auto; \`melo doctor\` tells what works here
  # device: auto          # or cpu, or gpu (tfjs with its native part)
  # threads: 4            # default: every core this process may use
  # alone: true           # default false; some hundredths faster where nothing else computes on this machine, slower where it does

# One entry for each task this hospital takes part in, under the task's name in the federation.
tasks:
  chest-xray:
    # Folder for each class: images/chest-xray/NORMAL/..., images/chest-xray/PNEUMONIA/...
    images: images/chest-xray
    # Folders that are not named like the class:
    # classFolders: { healthy: NORMAL, sick: PNEUMONIA }
    # Images of one patient must stand in one split. Either a CSV with the columns path,group,split
    # (where an image may have several classes at once, the folders say nothing and the CSV has a column for each class:
    # 1 there, 0 not there, empty not known) ...
    # manifest: images/chest-xray.csv
    # ... or a preset (chest-xray) or a regular expression whose first group names the patient.
    groupRegex: chest-xray
    # heldOutShare: 0.2     # share of the patients kept for evaluation
    # splitSeed: melo       # another seed gives another split
    # keepVersions: [3]     # versions that stay in adapters/ for good, e.g. the one in use

# What this hospital does and lets out beside the rounds.
# policy:
#   evaluations: true       # evaluate versions on the held-out images when an administrator asks
#   baseline: true          # train alone once, where a task asks for it; the adapter stays here, its figures are reported
#   shareBaseline: false    # let that adapter out, where a task asks for it: the coordinator and every member of the task get it
#   comparison: false       # report by how much a version is better than that, with its interval; \`melo agent report\` tells it here anyway

# imageCacheBytesMax: 2147483648
# keepVersionsLatest: 5   # versions of each task that stay in adapters/
# logLevel: info

# connection:
#   heartbeatIntervalMs: 15000
#   acknowledgementTimeoutMs: 30000
#   backoffMinimumMs: 1000
#   backoffMaximumMs: 20000
#   slowRetryMs: 60000
#   connectTimeoutMs: 15000
#   silenceMaxMs: 45000      # without a byte for so long the link is dead
#   transports: [websocket, polling]   # in this order; one alone forces it
#   transportFailuresMax: 2  # in a row, before the next way is tried
#   proxy: http://user:password@proxy.example:3128   # default: HTTPS_PROXY and NO_PROXY; none: no proxy at all
# trainer:
#   attempts: 3
#   restartDelayMs: 2000
#   longRetryMs: 300000
#   retriesMax: 3           # then the site withdraws from the round, with the reason
#   checkpointIntervalMs: 10000
#   silenceMaxMs: 300000
#   idleMaxMs: 60000         # then the trainer's memory is given back
#   batchSizeEvaluation: 16
`;
