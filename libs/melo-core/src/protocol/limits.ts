/** Every limit on size, count and wait that both sides of the protocol agree on. */

export const limits = {
  /** Bytes of one range of an upload or a download; socket.io closes without a word above 1,000,000. */
  rangeBytes: 262_144,
  /** Bytes of one socket message, headers and all. */
  messageBytesMax: 1_000_000,
  /** Bytes of a signed payload (JSON). */
  payloadBytesMax: 131_072,
  /** Bytes of one update or one version of an adapter, sealed. */
  updateBytesMax: 64 * 1024 * 1024,
  /** Sites in one federation and members of one round. */
  membersMax: 64,
  /** Classes of one task. */
  classesMax: 64,
  /** Tensors in one adapter. */
  tensorsMax: 4096,
  /** Rounds of one task. */
  roundsMax: 10_000,
  /** Training samples one site may declare. */
  samplesMax: 10_000_000,
  /** Assignments and results together in one message: three binaries each, and socket.io's parser takes ten a packet. */
  itemsPerMessageMax: 3,
  /** Versions of one request for evaluations, and open requests of one task. */
  evaluationVersionsMax: 32,
  evaluationRequestsMax: 16,
  /** Bytes of one entry of the audit log. */
  auditPayloadBytesMax: 16_384,
  /** Content digests of the audit log in one message, 32 bytes each. */
  auditDigestsPerMessageMax: 2048,
  /** Milliseconds between heartbeats of an agent. */
  heartbeatIntervalMs: 15_000,
  /** Milliseconds a nonce of the handshake lives. */
  nonceLifetimeMs: 60_000,
  /** Milliseconds a site waits for one acknowledgement, beside what the bytes under way take. */
  acknowledgementTimeoutMs: 30_000,
  /** Bytes a second of the slowest line that waits allow for: 32 kbit/s. */
  slowestBytesPerSecond: 4096,
  /** Milliseconds between two signs of life of the coordinator on every connection. */
  aliveIntervalMs: 15_000,
  /** Milliseconds without a byte after which either side takes the link for dead: three signs of life. */
  silenceMaxMs: 45_000,
  /** Ranges of one upload or download on their way at a time, and so what a cut costs at most. */
  rangesUnderWayMax: 4,
} as const;
