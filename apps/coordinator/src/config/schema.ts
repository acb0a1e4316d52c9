/**
 * The one database schema, on PGlite and PostgreSQL. Times are wall time in milliseconds; no row is over 64 KiB, so larger
 * things are blobs and stand here by digest.
 */
import {
  bigint,
  bigserial,
  boolean,
  customType,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core';

const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => 'bytea',
  fromDriver: (value) => new Uint8Array(value),
});
const timeMs = (name: string) => bigint(name, { mode: 'number' });

/** Facts about this coordinator: federation id, last sign of life. */
export const settings = pgTable('settings', {
  key: text('key').primaryKey(),
  value: jsonb('value').notNull(),
});

/** Bearer tokens of people, hashed. */
export const administratorTokens = pgTable('administrator_tokens', {
  tokenHash: text('token_hash').primaryKey(),
  role: text('role').notNull(),
  createdAtMs: timeMs('created_at_ms').notNull(),
  expiresAtMs: timeMs('expires_at_ms').notNull(),
});

/** People with an account. */
export const users = pgTable(
  'users',
  {
    user: text('user').primaryKey(),
    role: text('role').notNull(),
    /** Of a steward alone. */
    site: text('site'),
    /** `active` or `suspended`. */
    status: text('status').notNull(),
    reason: text('reason'),
    /** Argon2id as a PHC string; null where the account has no password. */
    passwordHash: text('password_hash'),
    /** Set by somebody else: to be changed at the first sign-in. */
    isPasswordTemporary: boolean('is_password_temporary').notNull(),
    passwordSetAtMs: timeMs('password_set_at_ms'),
    /** Grows with every change; a session of an earlier one has ended. */
    version: integer('version').notNull(),
    createdAtMs: timeMs('created_at_ms').notNull(),
    lastSignInAtMs: timeMs('last_sign_in_at_ms'),
    /** Secret of the second factor, wrapped by the wrapping key; null without one. */
    wrappedTotpSecret: bytes('wrapped_totp_secret'),
    /** Whether a code has confirmed the secret; one that has not is not asked for. */
    isTotpConfirmed: boolean('is_totp_confirmed').notNull().default(false),
    /** The last time step whose code was taken: none is taken twice. */
    totpLastStep: bigint('totp_last_step', { mode: 'number' }),
    /** Hashes of the recovery codes that are left. */
    recoveryCodeHashes: jsonb('recovery_code_hashes').notNull().default([]),
    /** Who vouches for the person elsewhere, and under which name; null without single sign-on. */
    issuer: text('issuer'),
    subject: text('subject'),
  },
  (table) => [uniqueIndex('users_issuer_subject').on(table.issuer, table.subject)],
);

/** API tokens, hashed. */
export const apiTokens = pgTable(
  'api_tokens',
  {
    tokenHash: text('token_hash').primaryKey(),
    /** The beginning of the hash: what it is called by. */
    token: text('token').notNull().unique(),
    name: text('name').notNull(),
    /** Whose rights it has; null for those of the administrator's token. */
    owner: text('owner'),
    scopes: jsonb('scopes').notNull(),
    createdAtMs: timeMs('created_at_ms').notNull(),
    expiresAtMs: timeMs('expires_at_ms').notNull(),
    lastUsedAtMs: timeMs('last_used_at_ms'),
  },
  (table) => [index('api_tokens_owner').on(table.owner)],
);

/** Sites of the federation. */
export const sites = pgTable('sites', {
  site: text('site').primaryKey(),
  status: text('status').notNull(),
  reason: text('reason'),
  signingPublicKey: text('signing_public_key').unique(),
  agreementPublicKey: text('agreement_public_key'),
  fingerprint: text('fingerprint'),
  invitedAtMs: timeMs('invited_at_ms').notNull(),
  enrolledAtMs: timeMs('enrolled_at_ms'),
  approvedAtMs: timeMs('approved_at_ms'),
  lastSeenAtMs: timeMs('last_seen_at_ms'),
  agentVersion: text('agent_version'),
  lostRounds: integer('lost_rounds').notNull().default(0),
  capabilities: jsonb('capabilities'),
});

/** One-time enrolment codes: the hash of the secret alone. */
export const invitations = pgTable('invitations', {
  secretHash: text('secret_hash').primaryKey(),
  site: text('site').notNull(),
  createdAtMs: timeMs('created_at_ms').notNull(),
  expiresAtMs: timeMs('expires_at_ms').notNull(),
  usedAtMs: timeMs('used_at_ms'),
});

/** Tasks. */
export const tasks = pgTable('tasks', {
  task: text('task').primaryKey(),
  definition: jsonb('definition').notNull(),
  status: text('status').notNull(),
  reason: text('reason'),
  createdAtMs: timeMs('created_at_ms').notNull(),
  latestVersion: integer('latest_version').notNull(),
  /** Attempts at the open round that an administrator's resumption wiped from the count. */
  attemptsForgiven: integer('attempts_forgiven').notNull().default(0),
  /** Version that people are told to use; null until one was promoted. The newest one is another word: latest. */
  promotedVersion: integer('promoted_version'),
  /** Version that the next round starts from; null where that is the latest. */
  nextBaseVersion: integer('next_base_version'),
  /** Version whose publication ends the task; null where that is the definition's number of rounds. */
  finalVersion: integer('final_version'),
  /** When rounds may open; null where nothing but the round before decides. */
  schedule: jsonb('schedule'),
});

/** Attempts at rounds. */
export const rounds = pgTable(
  'rounds',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    task: text('task').notNull(),
    round: integer('round').notNull(),
    attempt: integer('attempt').notNull(),
    /** Version that the attempt starts from; null in rows of before there was a choice: round - 1. */
    baseVersion: integer('base_version'),
    state: jsonb('state').notNull(),
    phase: text('phase').notNull(),
    openPayload: bytes('open_payload').notNull(),
    openSignature: bytes('open_signature').notNull(),
    openDigest: text('open_digest').notNull(),
    roundPublicKey: text('round_public_key').notNull(),
    /** Wrapped by the wrapping key; null once retention has ended. */
    wrappedSecretKey: bytes('wrapped_secret_key'),
    openedAtMs: timeMs('opened_at_ms').notNull(),
    /** The deadline with the time added during which the coordinator was down. */
    deadlineAtMs: timeMs('deadline_at_ms').notNull(),
    settledAtMs: timeMs('settled_at_ms'),
    membershipPayload: bytes('membership_payload'),
    membershipSignature: bytes('membership_signature'),
    /** What the aggregate told of the sites; null before, and in rows of before it was recorded. */
    figures: jsonb('figures'),
  },
  (table) => [
    uniqueIndex('rounds_task_round_attempt').on(table.task, table.round, table.attempt),
    index('rounds_phase').on(table.phase),
  ],
);

/** Everything that happened to an attempt, in order. */
export const roundEvents = pgTable(
  'round_events',
  {
    roundId: bigint('round_id', { mode: 'number' }).notNull(),
    sequence: integer('sequence').notNull(),
    event: jsonb('event').notNull(),
    atMs: timeMs('at_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.roundId, table.sequence] })],
);

/** Uploads of updates and of baselines' adapters: the ranges lie in one file each. */
export const uploads = pgTable(
  'uploads',
  {
    uploadId: text('upload_id').primaryKey(),
    /** One of the two: the request asks for a baseline's adapter. */
    roundId: bigint('round_id', { mode: 'number' }),
    request: text('request'),
    site: text('site').notNull(),
    bytes: integer('bytes').notNull(),
    samples: integer('samples').notNull(),
    trainingLoss: doublePrecision('training_loss').notNull(),
    manifestPayload: bytes('manifest_payload').notNull(),
    manifestSignature: bytes('manifest_signature').notNull(),
    /** `open`, `committed` or `rejected`. */
    status: text('status').notNull(),
    rejectionCode: text('rejection_code'),
    rejectionMessage: text('rejection_message'),
    createdAtMs: timeMs('created_at_ms').notNull(),
  },
  (table) => [
    uniqueIndex('uploads_round_site').on(table.roundId, table.site),
    uniqueIndex('uploads_request_site').on(table.request, table.site),
  ],
);

/** Ranges that are durable, each with the digest of its bytes. */
export const uploadRanges = pgTable(
  'upload_ranges',
  {
    uploadId: text('upload_id').notNull(),
    index: integer('index').notNull(),
    digest: text('digest').notNull(),
    bytes: integer('bytes').notNull(),
  },
  (table) => [primaryKey({ columns: [table.uploadId, table.index] })],
);

/** Versions of adapters. */
export const versions = pgTable(
  'versions',
  {
    task: text('task').notNull(),
    version: integer('version').notNull(),
    adapterDigest: text('adapter_digest').notNull(),
    adapterBytes: integer('adapter_bytes').notNull(),
    ciphertextDigest: text('ciphertext_digest').notNull(),
    ciphertextBytes: integer('ciphertext_bytes').notNull(),
    wrappedContentKey: bytes('wrapped_content_key').notNull(),
    roundId: bigint('round_id', { mode: 'number' }),
    resultPayload: bytes('result_payload'),
    resultSignature: bytes('result_signature'),
    resultDigest: text('result_digest'),
    createdAtMs: timeMs('created_at_ms').notNull(),
    /** Digest of what the aggregation remembers after this version, and of its blob; null where it remembers nothing. */
    stateDigest: text('state_digest'),
    stateCiphertextDigest: text('state_ciphertext_digest'),
    /** Sites that left the federation and whose share is in this version, directly or through an ancestor. */
    leftSites: jsonb('left_sites').notNull().default([]),
  },
  (table) => [
    primaryKey({ columns: [table.task, table.version] }),
    index('versions_ciphertext_digest').on(table.ciphertextDigest),
  ],
);

/** Signed evaluations; the payload is a blob. */
export const evaluations = pgTable(
  'evaluations',
  {
    task: text('task').notNull(),
    subject: text('subject').notNull(),
    version: integer('version').notNull(),
    /** 0 where the subject is not local. */
    round: integer('round').notNull(),
    site: text('site').notNull(),
    /** Where the subject is cross: the site that trained the adapter; empty elsewhere. */
    owner: text('owner').notNull().default(''),
    payloadDigest: text('payload_digest').notNull(),
    signature: bytes('signature').notNull(),
    heldOutImages: integer('held_out_images').notNull(),
    receivedAtMs: timeMs('received_at_ms').notNull(),
  },
  (t) => [primaryKey({ columns: [t.task, t.subject, t.version, t.round, t.site, t.owner] })],
);

/** What sites were asked to evaluate beside the rounds; the payload is what was signed. */
export const evaluationRequests = pgTable(
  'evaluation_requests',
  {
    request: text('request').primaryKey(),
    task: text('task').notNull(),
    subject: text('subject').notNull(),
    reason: text('reason'),
    payload: bytes('payload').notNull(),
    signature: bytes('signature').notNull(),
    requestedAtMs: timeMs('requested_at_ms').notNull(),
    /** With the time added during which the coordinator was down. */
    deadlineAtMs: timeMs('deadline_at_ms').notNull(),
    /** Null while a site is waited for. */
    closedAtMs: timeMs('closed_at_ms'),
    /** Of a request about one site's adapter: that site, and where the ciphertext is until its retention ends. */
    owner: text('owner'),
    ciphertextDigest: text('ciphertext_digest'),
    ciphertextBytes: integer('ciphertext_bytes'),
    /** Its content key; of a request for adapters the key that they are sealed to. */
    wrappedKey: bytes('wrapped_key'),
  },
  (table) => [index('evaluation_requests_task').on(table.task)],
);

/** What became of each version at each site that was asked. */
export const evaluationItems = pgTable(
  'evaluation_items',
  {
    request: text('request').notNull(),
    version: integer('version').notNull(),
    site: text('site').notNull(),
    /** `asked`, `done`, `declined` or `lost`. */
    state: text('state').notNull(),
    code: text('code'),
    reason: text('reason'),
    changedAtMs: timeMs('changed_at_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.request, table.version, table.site] })],
);

/** What the rules of a task said of its versions, once each. */
export const versionDecisions = pgTable(
  'version_decisions',
  {
    task: text('task').notNull(),
    version: integer('version').notNull(),
    /** `promoted`, `refused` or `none` where the task has no such rule. */
    promotion: text('promotion').notNull(),
    isStopped: boolean('is_stopped').notNull(),
    reason: text('reason').notNull(),
    figures: jsonb('figures').notNull(),
    decidedAtMs: timeMs('decided_at_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.task, table.version] })],
);

/** First answers of commands that carried an Idempotency-Key, wrapped by the wrapping key. */
export const idempotencyKeys = pgTable('idempotency_keys', {
  key: text('key').primaryKey(),
  requestDigest: text('request_digest').notNull(),
  status: integer('status').notNull(),
  wrappedResponse: bytes('wrapped_response').notNull(),
  createdAtMs: timeMs('created_at_ms').notNull(),
});

/** What happened, appended only; the columns are for searches, the payload is what the chain covers. */
export const auditEntries = pgTable('audit_entries', {
  id: bigserial('id', { mode: 'number' }).primaryKey(),
  atMs: timeMs('at_ms').notNull(),
  actor: text('actor').notNull(),
  action: text('action').notNull(),
  target: text('target').notNull(),
  details: jsonb('details').notNull(),
  /** The entry as bytes, kept verbatim; null in rows of before there was a chain. */
  payload: bytes('payload'),
  /** Place in the chain, from 1; null until the entry is chained. */
  sequence: bigint('sequence', { mode: 'number' }).unique(),
  /** Digest over the link before and this entry's payload; null until the entry is chained. */
  linkDigest: text('link_digest'),
});

/** Addresses that are told of alerts; the secret is wrapped by the wrapping key. */
export const webhooks = pgTable('webhooks', {
  webhook: text('webhook').primaryKey(),
  url: text('url').notNull().unique(),
  /** Kinds of alerts that it is told of. */
  kinds: jsonb('kinds').notNull(),
  wrappedSecret: bytes('wrapped_secret').notNull(),
  createdAtMs: timeMs('created_at_ms').notNull(),
});

/** Alerts that hold; a row goes when its alert is over. */
export const openAlerts = pgTable(
  'open_alerts',
  {
    kind: text('kind').notNull(),
    /** What it is about, e.g. `site:north`. */
    subject: text('subject').notNull(),
    /** Names this one occurrence to whoever is told. */
    alert: text('alert').notNull(),
    summary: text('summary').notNull(),
    details: jsonb('details').notNull(),
    sinceMs: timeMs('since_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.kind, table.subject] })],
);

/** What each address was told or is to be told. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    webhook: text('webhook').notNull(),
    alert: text('alert').notNull(),
    /** The body as it is sent and signed, the same every time. */
    body: text('body').notNull(),
    createdAtMs: timeMs('created_at_ms').notNull(),
    attempts: integer('attempts').notNull().default(0),
    /** When it is sent next; null once it was taken or given up. */
    nextAtMs: timeMs('next_at_ms'),
    deliveredAtMs: timeMs('delivered_at_ms'),
    /** What the last attempt came to: an HTTP status or a word. */
    lastOutcome: text('last_outcome'),
  },
  (table) => [
    index('webhook_deliveries_next').on(table.nextAtMs),
    index('webhook_deliveries_webhook').on(table.webhook, table.id),
  ],
);
