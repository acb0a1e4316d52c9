/**
 * The one error taxonomy: families say who is at fault, codes are stable, the catalogue is what a peer may see.
 *
 * A message reads `where: what was expected, what came; what to do next` and never carries a secret, a weight or a
 * patient's datum. Retired codes stay in the catalogue as tombstones.
 */

/** A value that JSON can carry; `details` of an error are made of these alone. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Who is at fault, and so what the receiver does: see `docs/errors.md`. */
export type ErrorFamily =
  'input' | 'auth' | 'state' | 'protocol' | 'privacy' | 'unavailable' | 'invariant';

/** What a transport needs to know of a code. */
export interface ErrorCatalogEntry {
  readonly family: ErrorFamily;
  /** HTTP status that REST answers with. */
  readonly httpStatus: number;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean;
  /** The sentence a peer sees; the error's own message goes to the local log. */
  readonly publicMessage: string;
}

const entry = <Family extends ErrorFamily>(
  family: Family,
  httpStatus: number,
  publicMessage: string,
  retryable = false,
): ErrorCatalogEntry & { readonly family: Family } => ({
  family,
  httpStatus,
  retryable,
  publicMessage,
});

/** Every code there is, with what a peer is told. */
export const errorCatalog = {
  // Input: the caller's or the wire's fault.
  REQUEST_INVALID: entry('input', 400, 'The request does not have the documented form.'),
  NOT_FOUND: entry('input', 404, 'There is no such thing here.'),
  METHOD_NOT_ALLOWED: entry('input', 405, 'The path does not take this method.'),
  PAYLOAD_TOO_LARGE: entry('input', 413, 'The payload is over the documented limit.'),
  CONFIG_INVALID: entry('input', 400, 'The configuration is not valid.'),
  USAGE: entry('input', 400, 'The command line is not valid.'),
  SAFETENSORS_INVALID: entry('input', 422, 'The safetensors file is malformed.'),
  TENSOR_MISSING: entry('input', 422, 'A tensor that is needed is missing.'),
  TENSOR_SHAPE_MISMATCH: entry('input', 422, 'A tensor does not have the expected shape.'),
  TENSOR_UNEXPECTED: entry('input', 422, 'A tensor is present that should not be.'),
  TENSOR_DTYPE_UNSUPPORTED: entry(
    'input',
    422,
    'A tensor has a number type that is not supported.',
  ),
  AUDIT_INVALID: entry('input', 422, 'The audit log is not whole.'),
  BACKUP_INVALID: entry(
    'input',
    422,
    'The backup is damaged or not one that can be restored here.',
  ),
  BACKBONE_UNSUPPORTED: entry('input', 422, 'The backbone cannot be run exactly and is refused.'),
  HUB_ANSWER_INVALID: entry('input', 422, 'The hub or a mirror does not serve the file properly.'),
  QUOTA_EXCEEDED: entry('input', 413, 'The quota for stored uploads is used up.', true),
  BACKBONE_MISMATCH: entry('input', 409, 'The backbone is not the one this adapter was made for.'),
  ADAPTER_INVALID: entry('input', 422, 'The adapter file is not valid.'),
  ADAPTER_UNSUPPORTED: entry(
    'input',
    422,
    'The adapter has something that this format cannot hold exactly, and is refused.',
  ),
  ADAPTER_SPEC_INVALID: entry('input', 422, 'The adapter specification is out of range.'),
  LAYOUT_MISMATCH: entry('input', 409, 'The tensors do not have the layout of this task.'),
  NON_FINITE_UPDATE: entry('input', 422, 'The update has a value that is not finite.'),
  UPDATE_SHAPE_MISMATCH: entry('input', 422, 'The update does not have the size of this task.'),
  WEIGHTS_ALL_ZERO: entry('input', 422, 'No site of the round has a weight above zero.'),
  AGGREGATION_STATE_INVALID: entry(
    'input',
    422,
    'The stored state of the aggregation is not valid.',
  ),
  UPDATE_NORM_EXCEEDED: entry('input', 422, 'The norm of the update is over the bound.'),
  IMAGE_UNREADABLE: entry('input', 422, 'An image could not be read.'),
  DATASET_INVALID: entry('input', 422, 'The local dataset does not fit the task.'),
  DATASET_UNMAPPED_FOLDER: entry('input', 422, 'A folder of images is not mapped to a class.'),
  DATASET_CLASS_EMPTY: entry('input', 422, 'A class has no images at this site.'),
  DATASET_GROUP_LEAK: entry('input', 422, 'One patient or group stands in two splits.'),
  TLS_REQUIRED: entry('input', 400, 'This is possible over https alone.'),
  PASSWORD_REFUSED: entry('input', 422, 'The password is too short, too common or too near.'),
  METRIC_UNDEFINED: entry('input', 422, 'The metric is not defined on these counts.'),

  // Identity.
  UNAUTHENTICATED: entry('auth', 401, 'Authentication is required.'),
  FORBIDDEN: entry('auth', 403, 'This is not allowed for the one who asks.'),
  SECOND_FACTOR_REQUIRED: entry('auth', 401, 'A code of the authenticator is required.'),
  ACCOUNT_SETUP_REQUIRED: entry(
    'auth',
    403,
    'A password of your own or a second factor must be set first.',
  ),
  ENROLLMENT_CODE_UNKNOWN: entry('auth', 403, 'The enrolment code is unknown, used or expired.'),
  ENROLLMENT_CODE_MALFORMED: entry('input', 400, 'The enrolment code is damaged.'),
  ENROLLMENT_PROOF_INVALID: entry('auth', 403, 'The proof of possession does not verify.'),
  COORDINATOR_KEY_MISMATCH: entry('auth', 403, 'The coordinator is not the one that was pinned.'),
  SITE_NOT_ENROLLED: entry('auth', 401, 'The site is not enrolled.'),
  SITE_PENDING: entry('auth', 403, 'The site waits for approval by an administrator.', true),
  SITE_SUSPENDED: entry('auth', 403, 'The site is suspended.', true),
  SITE_REVOKED: entry('auth', 403, 'The site has been revoked.'),
  SITE_LEFT: entry('auth', 403, 'The site has left the federation.'),
  NONCE_UNKNOWN: entry('auth', 401, 'The nonce is unknown, used or expired.', true),
  SIGNATURE_INVALID: entry('auth', 401, 'A signature does not verify.'),
  KEY_FILE_INVALID: entry('auth', 500, 'A key file cannot be used.'),

  // Ordering.
  STATE_CONFLICT: entry('state', 409, 'This is not possible in the present state.'),
  ROUND_CLOSED: entry('state', 409, 'The round no longer takes updates.'),
  ROUND_NOT_FOUND: entry('state', 404, 'There is no such round.'),
  ROUND_STALE: entry('state', 409, 'The message belongs to another round or attempt.'),
  NOT_A_MEMBER: entry('state', 403, 'The site is not a member of this round.'),
  UPDATE_DUPLICATE: entry('state', 409, 'Another update was already taken for this attempt.'),
  UPLOAD_UNKNOWN: entry('state', 404, 'The upload is unknown: begin it again.', true),
  UPLOAD_INCOMPLETE: entry('state', 409, 'The upload lacks ranges.', true),
  UPLOAD_RANGE_INVALID: entry('input', 400, 'The range does not fit the upload.'),
  UPLOAD_DIGEST_MISMATCH: entry(
    'input',
    422,
    'The bytes do not have the digest that was declared.',
  ),
  ALREADY_EXISTS: entry('state', 409, 'There is one with this name already.'),
  ALREADY_ENROLLED: entry('state', 409, 'This site is enrolled already.'),
  DATA_FOLDER_LOCKED: entry('state', 409, 'Another process uses this data folder.'),
  DATABASE_LOCKED: entry('state', 409, 'Another coordinator uses this database.'),
  CHECKPOINT_INVALID: entry('state', 409, 'The checkpoint does not fit the round.'),
  SITE_STATE_INVALID: entry('state', 409, 'What the site kept for its next round is not valid.'),
  VERSION_FORK: entry('state', 409, 'The result does not continue the chain that this site knows.'),
  AGENT_VERSION_TOO_OLD: entry('state', 409, 'The task needs a newer site agent.'),
  SAMPLES_TOO_FEW: entry(
    'state',
    409,
    'The site has fewer training images than the task asks for.',
  ),
  TASK_WITHDRAWN: entry('state', 409, 'The site has withdrawn from this task.'),
  ROUND_UNVERIFIABLE: entry('state', 409, 'What the round was made of is no longer stored.'),
  AUDIT_FORK: entry('state', 409, 'The audit log does not continue what this site remembers.'),

  // A peer broke the protocol.
  PROTOCOL_VERSION_MISMATCH: entry('protocol', 400, 'The protocol versions do not match.'),
  MESSAGE_INVALID: entry('protocol', 400, 'The message does not have the form of the protocol.'),
  SEAL_INVALID: entry('protocol', 422, 'The sealed update cannot be opened.'),
  MANIFEST_MISMATCH: entry('protocol', 422, 'The manifest does not describe this upload.'),
  DIGEST_MISMATCH: entry('protocol', 422, 'The bytes do not have the digest that was promised.'),
  PLAN_INVALID: entry('protocol', 422, 'The plan is out of its documented ranges.'),
  TASK_NOT_ALLOWED: entry('protocol', 403, 'The policy of the site does not allow this task.'),
  RATE_LIMITED: entry('protocol', 429, 'Too many messages; slow down.', true),

  // Privacy budget: used from the privacy modules on.
  BUDGET_EXHAUSTED: entry('privacy', 409, 'The privacy budget is spent.'),

  // A dependency.
  STORE_UNAVAILABLE: entry('unavailable', 503, 'The store is not available.', true),
  DISK_FULL: entry('unavailable', 507, 'The disk is full.', true),
  DISK_LOW: entry('unavailable', 507, 'The disk is nearly full; nothing new is taken.', true),
  PORT_TAKEN: entry('unavailable', 503, 'The port is in use.'),
  IDENTITY_PROVIDER_UNREACHABLE: entry(
    'unavailable',
    503,
    'The identity provider does not answer.',
    true,
  ),
  HUB_UNREACHABLE: entry('unavailable', 503, 'The hub of backbones does not answer.', true),
  COORDINATOR_UNREACHABLE: entry('unavailable', 503, 'The coordinator does not answer.', true),
  TRAINER_FAILED: entry('unavailable', 503, 'The trainer process failed.', true),
  ENGINE_UNAVAILABLE: entry('unavailable', 503, 'The training engine cannot be used here.'),
  TIMEOUT: entry('unavailable', 504, 'It took too long.', true),
  SHUTTING_DOWN: entry('unavailable', 503, 'The service is stopping.', true),
  DRAINING: entry(
    'unavailable',
    503,
    'The coordinator finishes what runs and starts nothing.',
    true,
  ),
  PROXY_REFUSED: entry('unavailable', 503, 'The proxy refuses the connection.', true),
  CERTIFICATE_UNTRUSTED: entry(
    'unavailable',
    503,
    'The certificate of the peer is not trusted.',
    true,
  ),

  // Ours.
  INTERNAL: entry('invariant', 500, 'Something went wrong here; the log has the details.'),
} as const satisfies Record<string, ErrorCatalogEntry>;

/** A stable code of the catalogue. */
export type ErrorCode = keyof typeof errorCatalog;

type CodeOf<F extends ErrorFamily> = {
  [C in ErrorCode]: (typeof errorCatalog)[C]['family'] extends F ? C : never;
}[ErrorCode];

/** Details that go with an error: names, sizes and indices, never content. */
export type ErrorDetails = Readonly<Record<string, JsonValue>>;

/** The base of every error this project throws on purpose. */
export abstract class MeloError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }

  /** What the catalogue says of this error's code. */
  get catalogEntry(): ErrorCatalogEntry {
    return errorCatalog[this.code];
  }
}

/** The caller's or the wire's fault: refused, no retry. */
export class InputError extends MeloError {
  declare readonly code: CodeOf<'input'>;
  constructor(
    code: CodeOf<'input'>,
    message: string,
    details?: ErrorDetails,
    options?: ErrorOptions,
  ) {
    super(code, message, details, options);
  }
}

/** An identity that does not hold: the peer learns no detail. */
export class AuthError extends MeloError {
  declare readonly code: CodeOf<'auth'>;
  constructor(
    code: CodeOf<'auth'>,
    message: string,
    details?: ErrorDetails,
    options?: ErrorOptions,
  ) {
    super(code, message, details, options);
  }
}

/** Something out of order: the caller synchronises and goes on. */
export class StateError extends MeloError {
  declare readonly code: CodeOf<'state'>;
  constructor(
    code: CodeOf<'state'>,
    message: string,
    details?: ErrorDetails,
    options?: ErrorOptions,
  ) {
    super(code, message, details, options);
  }
}

/** A peer broke the protocol; `sites` names who, empty where it cannot be told. */
export class ProtocolError extends MeloError {
  declare readonly code: CodeOf<'protocol'>;
  readonly sites: readonly string[];
  constructor(
    code: CodeOf<'protocol'>,
    message: string,
    details?: ErrorDetails,
    options?: ErrorOptions & { readonly sites?: readonly string[] },
  ) {
    super(code, message, details, options);
    this.sites = options?.sites ?? [];
  }
}

/** A privacy budget or floor would be broken: the round stops. */
export class PrivacyError extends MeloError {
  declare readonly code: CodeOf<'privacy'>;
  constructor(
    code: CodeOf<'privacy'>,
    message: string,
    details?: ErrorDetails,
    options?: ErrorOptions,
  ) {
    super(code, message, details, options);
  }
}

/** Something we depend on is not there: retried with a cap and jitter where the code says so. */
export class UnavailableError extends MeloError {
  declare readonly code: CodeOf<'unavailable'>;
  constructor(
    code: CodeOf<'unavailable'>,
    message: string,
    details?: ErrorDetails,
    options?: ErrorOptions,
  ) {
    super(code, message, details, options);
  }
}

/** Our own mistake: the process or the job stops. */
export class InvariantError extends MeloError {
  declare readonly code: CodeOf<'invariant'>;
  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('INTERNAL', message, details, options);
  }
}

/** A refusal that another part decided (the round's reducer, another thread, another process), known by its code. */
export class RelayedError extends MeloError {
  constructor(code: ErrorCode, message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super(code, message, details, options);
  }
}

/** Tell whether a value is a code of the catalogue. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCatalog, value);
}

/** An error as another process may see it: code and public message, no detail. */
export interface PublicError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

/**
 * Turn anything thrown into what a peer may see; an unknown error becomes `INTERNAL`.
 *
 * Input, state and protocol errors keep their own message, since it names what the caller can mend; auth, unavailable and
 * invariant errors show the catalogue's sentence alone.
 */
export function toPublicError(error: unknown): PublicError {
  if (!(error instanceof MeloError)) {
    const { publicMessage, retryable } = errorCatalog.INTERNAL;
    return { code: 'INTERNAL', message: publicMessage, retryable };
  }
  const { family, publicMessage, retryable } = error.catalogEntry;
  const isOwnMessageShown = family === 'input' || family === 'state' || family === 'protocol';
  return {
    code: error.code,
    message: isOwnMessageShown ? error.message : publicMessage,
    retryable,
  };
}

/**
 * Throw an {@link InvariantError} unless `condition` holds.
 *
 * @param condition - what must hold
 * @param message   - what was expected
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
