// Release 0.1.0 as it was (commit 835f400): never changed, so that what it accepts stays known.
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
  /** Milliseconds between heartbeats of an agent. */
  heartbeatIntervalMs: 15_000,
  /** Milliseconds a nonce of the handshake lives. */
  nonceLifetimeMs: 60_000,
  /** Milliseconds a site waits for one acknowledgement. */
  acknowledgementTimeoutMs: 30_000,
} as const;
