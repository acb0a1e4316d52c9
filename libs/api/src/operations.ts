/**
 * The REST API as types, made of docs/openapi.json; written by `npm run docs:api`, and a test fails where it is not fresh.
 */

/** A planned site that a figure is without. */
export type AbsentSite = {
  site: Name;
  state: EvaluationState | null;
  reason: string;
};

/** The caller's own account. */
export type Account = {
  user: string;
  role: Role;
  site: Name | null;
  createdAtMs: number;
  password: 'none' | 'temporary' | 'own';
  hasSecondFactor: boolean;
  recoveryCodesLeft: number;
  issuer: string | null;
};

export type AccountsChangePasswordBody = {
  currentPassword: string;
  newPassword: string;
};

export type AccountsCreateBody = {
  user: string;
  role: Role;
  site?: Name;
  password?: string;
};

export type AccountsListAnswer = {
  users: Array<User>;
  nextCursor: string | null;
};

export type AccountsResetPasswordBody = {
  password?: string;
  ifVersion?: number;
};

export type AccountsResumeBody = {
  ifVersion?: number;
};

export type AccountsRoleBody = {
  role: Role;
  site?: Name;
  ifVersion?: number;
};

export type AccountsSuspendBody = {
  reason: string;
  ifVersion?: number;
};

/** How updates are combined. */
export type Aggregation = {
  method: 'fedavg' | 'alternating' | 'ffa' | 'ridge' | 'median' | 'trimmed-mean' | 'norm-bound';
  weights: 'samples' | 'equal';
  ridge?: number;
  trimShare?: number;
  normMax?: number;
  serverStep?: {
    name: 'momentum';
    learningRate: number;
    momentum: number;
    damping?: number;
  } | {
    name: 'adam';
    learningRate: number;
    beta1: number;
    beta2: number;
    epsilon: number;
    biasCorrection: boolean;
  };
};

/** How updates are combined. */
export type AggregationInput = {
  method?: 'fedavg' | 'alternating' | 'ffa' | 'ridge' | 'median' | 'trimmed-mean' | 'norm-bound';
  weights?: 'samples' | 'equal';
  ridge?: number;
  trimShare?: number;
  normMax?: number;
  serverStep?: {
    name: 'momentum';
    learningRate?: number;
    momentum?: number;
    damping?: number;
  } | {
    name: 'adam';
    learningRate: number;
    beta1?: number;
    beta2?: number;
    epsilon?: number;
    biasCorrection?: boolean;
  };
};

/** What an address may be told of. */
export type AlertKind = 'site-silent' | 'round-abandoned' | 'disk-low' | 'key-old';

/** One thing that happened. */
export type AuditEntry = {
  id: number;
  atMs: number;
  actor: string;
  action: string;
  target: string;
  details: JsonObject;
  sequence: number | null;
};

export type AuditHeadAnswer = {
  sequence: number;
  linkDigest: Digest;
  head: Envelope;
};

export type AuditListAnswer = {
  entries: Array<AuditEntry>;
  nextCursor: string | null;
};

/** An open round that a drain awaits. */
export type AwaitedRound = {
  task: Name;
  round: number;
  attempt: number;
  phase: RoundPhase;
  deadlineAtMs: number;
  expectedEndAtMs: number | null;
  members: Array<{
    site: Name;
    status: MemberStatus;
  }>;
};

/** A late upload that a drain awaits. */
export type AwaitedUpload = {
  site: Name;
  task: Name;
  round: number;
};

/** What the coordinator knows of a backbone. */
export type Backbone = {
  name: string;
  fingerprint: Digest;
  dimension: number;
  blocks: number;
  patchSize: number;
  imageSize: number;
};

/** 95 % intervals that a site drew by patient. */
export type Bootstrap = {
  replicates: number;
  auc: Array<[number, number] | null>;
  macroAuc: [number, number] | null;
  accuracy: [number, number] | null;
  balancedAccuracy: [number, number] | null;
};

/** Figures of one version in brief. */
export type BriefEvaluation = {
  version: number;
  decision: VersionDecision | null;
  absent: Array<AbsentSite>;
  pooled: BriefSummary | null;
  pooledIntervals: {
    macroAuc: [number, number] | null;
  } | null;
  sites: Array<BriefSite>;
  local: Array<{
    site: Name;
    heldOutImages: number;
    summary: BriefSummary;
    round: number;
  }>;
};

/** The adapter that one site trained alone, in brief. */
export type BriefLocalAdapter = {
  owner: Name;
  state: EvaluationState;
  reason: string | null;
  absent: Array<AbsentSite>;
  pooled: BriefSummary | null;
  sites: Array<BriefSite>;
};

/** What one site reported, in brief. */
export type BriefSite = {
  site: Name;
  heldOutImages: number;
  summary: BriefSummary;
};

/** Figures of one score report in brief. */
export type BriefSummary = {
  count: number;
  loss: number | null;
  balancedAccuracy: number | null;
  macroAuc: number | null;
  macroAucErrorBound: number | null;
};

/** Classes in the order of the head's rows; every one once. */
export type Classes = Array<string>;

/** A version beside what the site trained alone. */
export type Comparison = {
  replicates: number;
  difference: number | null;
  interval: [number, number] | null;
};

/** One alert to one address. */
export type Delivery = {
  delivery: number;
  webhook: string;
  id: string;
  alert: string;
  kind: 'site-silent' | 'round-abandoned' | 'disk-low' | 'key-old' | 'test';
  state: 'raised' | 'resolved';
  subject: string;
  summary: string;
  status: 'pending' | 'delivered' | 'failed';
  attempts: number;
  createdAtMs: number;
  nextAtMs: number | null;
  deliveredAtMs: number | null;
  lastOutcome: string | null;
};

/** BLAKE2b-256 in hexadecimal. */
export type Digest = string;

/** Room on the disk of the data folder. */
export type Disk = {
  freeBytes: number;
  reserveBytes: number;
  isLow: boolean;
};

/** Where a drain stands. */
export type Drain = {
  status: 'serving' | 'draining' | 'drained';
  sinceMs: number | null;
  rounds: Array<AwaitedRound>;
  lateUploads: Array<AwaitedUpload>;
};

/** When training ends for want of gain. */
export type EarlyStopRule = {
  metric: 'macroAuc' | 'balancedAccuracy' | 'accuracy';
  patienceRounds: number;
  minimumGain: number;
};

/** When training ends for want of gain. */
export type EarlyStopRuleInput = {
  metric?: 'macroAuc' | 'balancedAccuracy' | 'accuracy';
  patienceRounds: number;
  minimumGain?: number;
};

/** A signed payload, both parts in base64. */
export type Envelope = {
  payload: string;
  signature: string;
};

/** What a code means. */
export type ErrorCode = {
  code: string;
  family: string;
  httpStatus: number;
  retryable: boolean;
  title: string;
  page: string;
};

export type EvaluationBriefAnswer = {
  evaluations: Array<BriefEvaluation>;
  baselines: Array<BriefSite>;
  localAdapters: Array<BriefLocalAdapter>;
};

/** One version at one site. */
export type EvaluationItem = {
  version: number;
  site: Name;
  state: EvaluationState;
  code: string | null;
  reason: string | null;
  changedAtMs: number;
};

export type EvaluationListAnswer = {
  classes: Array<string>;
  evaluations: Array<VersionEvaluation>;
  baselines: Array<SiteEvaluation>;
  localAdapters: Array<LocalAdapterEvaluation>;
};

/** One request for evaluations. */
export type EvaluationRequest = {
  request: string;
  task: Name;
  subject: 'global' | 'baseline' | 'baseline-upload' | 'cross';
  owner: Name | null;
  reason: string | null;
  requestedAtMs: number;
  deadlineAtMs: number;
  closedAtMs: number | null;
  summary: string;
  items: Array<EvaluationItem>;
};

export type EvaluationRequestsCancelBody = {
  reason?: string;
};

export type EvaluationRequestsCreateBody = {
  versions: Array<number>;
  sites?: Array<Name>;
  deadlineMs?: number;
  reason?: string;
};

export type EvaluationRequestsListAnswer = {
  requests: Array<EvaluationRequest>;
  nextCursor: string | null;
};

/** Where a requested evaluation stands. */
export type EvaluationState = 'asked' | 'done' | 'declined' | 'lost';

/** How the coordinator does. */
export type Health = {
  status: 'ok' | 'unavailable';
  version: string;
  protocol: string;
  federation: string;
  coordinatorFingerprint: string;
  database: 'ok' | 'unavailable';
  databaseKind: 'pglite' | 'postgresql';
  uptimeSeconds: number;
  connectedSites: number;
  isDraining: boolean;
  disk: Disk;
};

/** A one-time enrolment code, shown once. */
export type Invitation = {
  site: Name;
  code: string;
  expiresAtMs: number;
};

/** Any JSON. */
export type Json = string | number | boolean | null | Array<Json> | {
  [name: string]: Json;
};

/** A JSON object of any content. */
export type JsonObject = {
  [name: string]: Json;
};

/** A site that left, and what that means. */
export type LeavingSite = {
  site: Site;
  tasks: Array<LeavingTask>;
};

/** What a site that leaves means for one task. */
export type LeavingTask = {
  task: Name;
  versions: Array<number>;
  lastWithout: number;
  isPromotedAffected: boolean;
  isRerunDue: boolean;
};

/** What one site trained alone, at every site. */
export type LocalAdapterEvaluation = {
  owner: Name;
  state: EvaluationState;
  reason: string | null;
  adapterDigest: Digest | null;
  isKept: boolean;
  pooled: ScoreSummary | null;
  pooledIntervals: PooledIntervals | null;
  absent: Array<AbsentSite>;
  sites: Array<SiteEvaluation>;
};

/** One member of an attempt. */
export type Member = {
  site: Name;
  status: MemberStatus;
  reason: string | null;
  samples: number | null;
  updateDigest: Digest | null;
  progress: number | null;
  bytesReceived: number;
  bytesTotal: number | null;
  trainingLoss: number | null;
};

/** Where a member of an attempt stands. */
export type MemberStatus = 'invited' | 'accepted' | 'declined' | 'training' | 'uploading' | 'reported' | 'late' | 'withdrawn' | 'rejected' | 'lost';

/** Name of a site or a task. */
export type Name = string;

/** An account and the password made for it, shown once. */
export type NewPassword = {
  user: User;
  temporaryPassword: string | null;
};

/** An empty object. */
export type Nothing = Record<string, never>;

/** Why no round opens now although tasks run. */
export type OpeningRefusal = {
  code: 'DRAINING' | 'DISK_LOW';
  message: string;
};

export type OperationsStatusAnswer = {
  drain: Drain;
  disk: Disk;
  retentionMs: number;
  uploads: {
    bytes: number;
    quotaBytes: number | null;
    siteQuotaBytes: number | null;
    sites: Array<{
      site: Name;
      bytes: number;
    }>;
  };
};

/** 95 % intervals over the summed histograms. */
export type PooledIntervals = {
  auc: Array<[number, number] | null>;
  macroAuc: [number, number] | null;
};

/** How images become the backbone's input. */
export type Preprocessing = {
  version: 1;
  imageSize: number;
  resize: 'fill';
  crop: 'none';
  kernel: 'cubic' | 'linear' | 'lanczos3' | 'nearest';
  channels: 'rgb';
  mean: [number, number, number];
  std: [number, number, number];
};

/** When a version is promoted by itself. */
export type PromotionRule = {
  metric: 'macroAuc' | 'balancedAccuracy' | 'accuracy';
  minimum?: number;
  noWorseThanPromotedBy: number;
  noSiteWorseThanLocalBy?: number;
  absentSites: 'refuse' | 'ignore';
};

/** When a version is promoted by itself. */
export type PromotionRuleInput = {
  metric?: 'macroAuc' | 'balancedAccuracy' | 'accuracy';
  minimum?: number;
  noWorseThanPromotedBy?: number;
  noSiteWorseThanLocalBy?: number;
  absentSites?: 'refuse' | 'ignore';
};

/** Why it is done. */
export type Reason = {
  reason: string;
};

export type RegistryListAnswer = {
  versions: Array<Version>;
  nextCursor: string | null;
};

/** A role of a person. */
export type Role = 'administrator' | 'scientist' | 'steward' | 'viewer';

/** One attempt at a round. */
export type Round = {
  task: Name;
  round: number;
  attempt: number;
  baseVersion: number;
  phase: RoundPhase;
  reason: string | null;
  openedAtMs: number;
  deadlineAtMs: number;
  settledAtMs: number | null;
  quorumSites: number;
  summary: string;
  aggregationGap: number | null;
  members: Array<Member>;
};

/** One attempt with its signed records and events. */
export type RoundDetail = {
  task: Name;
  round: number;
  attempt: number;
  baseVersion: number;
  phase: RoundPhase;
  reason: string | null;
  openedAtMs: number;
  deadlineAtMs: number;
  settledAtMs: number | null;
  quorumSites: number;
  summary: string;
  aggregationGap: number | null;
  members: Array<Member>;
  open: Envelope;
  openDigest: Digest;
  membership: Envelope | null;
  figures: RoundFigures | null;
  events: Array<{
    sequence: number;
    atMs: number;
    event: RoundEvent;
  }>;
};

/** One event of an attempt. */
export type RoundEvent = {
  type: 'opened';
  deadlineAtMs: number;
} | {
  type: 'accepted';
  site: Name;
  samples: number;
} | {
  type: 'declined';
  site: Name;
  reason: string;
} | {
  type: 'held-back';
  site: Name;
  reason: string;
} | {
  type: 'training-started';
  site: Name;
} | {
  type: 'upload-begun';
  site: Name;
  updateDigest: Digest;
} | {
  type: 'reported';
  site: Name;
  updateDigest: Digest;
  samples: number;
} | {
  type: 'rejected';
  site: Name;
  reason: string;
} | {
  type: 'withdrawn';
  site: Name;
  reason: string;
} | {
  type: 'deadline-passed';
} | {
  type: 'aggregated';
} | {
  type: 'abandoned';
  reason: string;
};

/** What an aggregate told of its sites. */
export type RoundFigures = {
  aggregationGap: number | null;
  changeNorm: number;
  sites: Array<SiteFigures>;
};

/** Where an attempt stands. */
export type RoundPhase = 'planned' | 'inviting' | 'training' | 'aggregating' | 'published' | 'abandoned';

/** What a published round signs. */
export type RoundResult = {
  type: 'round-result';
  protocol: 'melo/1';
  federation: string;
  task: Name;
  round: number;
  attempt: number;
  roundOpenDigest: Digest;
  version: number;
  baseVersion?: number;
  adapterDigest: Digest;
  backboneFingerprint: Digest;
  layoutHash: Digest;
  method: string;
  stateDigest?: Digest;
  members: Array<{
    site: Name;
    status: MemberStatus;
    reason: string | null;
    samples: number | null;
    weight: number | null;
    updateDigest: Digest | null;
  }>;
  previousResultDigest: Digest | null;
  isFinal: boolean;
};

/** Quorum, deadline and who may take part. */
export type RoundRules = {
  quorumSites: number;
  quorumSampleShare: number;
  deadlineMs: number;
  wait?: 'all' | 'quorum';
  samplesMinimum?: number;
  agentVersionMinimum?: string;
};

/** Quorum, deadline and who may take part. */
export type RoundRulesInput = {
  quorumSites: number;
  quorumSampleShare?: number;
  deadlineMs?: number;
  wait?: 'all' | 'quorum';
  samplesMinimum?: number;
  agentVersionMinimum?: string;
};

export type RoundsAbandonBody = {
  reason: string;
  ifAttempt?: number;
};

export type RoundsListAnswer = {
  rounds: Array<Round>;
  nextCursor: string | null;
};

/** When the next round may open. */
export type Schedule = {
  rules: ScheduleRules;
  nextAtMs: number | null;
  sitesReady: number;
  isDue: boolean;
};

/** When rounds may open: cron, sitesReady or both. */
export type ScheduleRules = {
  cron?: string;
  timeZone?: string;
  sitesReady?: number;
};

/** Figures of one score report. */
export type ScoreSummary = {
  count: number;
  loss: number | null;
  accuracy: number | null;
  balancedAccuracy: number | null;
  recall: Array<number | null>;
  auc: Array<number | null>;
  aucErrorBound: Array<number | null>;
  macroAuc: number | null;
  macroAucErrorBound: number | null;
  undefinedAucCount: number;
  brier: Array<number | null>;
  brierErrorBound: Array<number | null>;
  calibrationError: number | null;
  calibrationErrorBound: number | null;
  sensitivity: Array<{
    specificity: number;
    sensitivity: Array<number | null>;
    errorBound: Array<number | null>;
    threshold: Array<number | null>;
  }>;
};

export type SecondFactorConfirmAnswer = {
  recoveryCodes: Array<string>;
};

export type SecondFactorConfirmBody = {
  code: string;
};

export type SecondFactorEnrolAnswer = {
  secret: string;
  uri: string;
};

export type SecondFactorEnrolBody = {
  password: string;
};

export type SecondFactorRemoveBody = {
  password: string;
  code: string;
};

export type SecondFactorRemoveOfUserBody = {
  ifVersion?: number;
};

/** Who is signed in, and for how long. */
export type Session = {
  user: string | null;
  role: Role;
  site: Name | null;
  setup: 'password' | 'second-factor' | null;
  expiresAtMs: number | null;
  idleMs: number | null;
};

/** A token, the secret of a sign-in link, or a name and a password. */
export type SignIn = {
  token: string;
} | {
  signInSecret: string;
} | {
  user: string;
  password: string;
  code?: string;
};

export type SingleSignOnProvidersAnswer = {
  providers: Array<{
    provider: string;
    label: string;
  }>;
};

/** A site. */
export type Site = {
  site: Name;
  status: SiteStatus;
  reason: string | null;
  fingerprint: Digest | null;
  invitedAtMs: number;
  enrolledAtMs: number | null;
  approvedAtMs: number | null;
  isConnected: boolean;
  lastSeenAtMs: number | null;
  agentVersion: string | null;
  lostRounds: number;
  capabilities: {
    node: string;
    engines: Array<{
      name: string;
      device: string;
    }>;
    backbones: Array<Digest>;
    memoryBytes: number;
    cores: number;
    approvedTasks: Array<Name>;
  } | null;
  heartbeat: {
    atMs: number;
    phase: string;
    task: Name | null;
    round: number | null;
    progress: number | null;
    load: number;
  } | null;
};

/** What one site reported. */
export type SiteEvaluation = {
  site: Name;
  heldOutImages: number;
  receivedAtMs: number;
  summary: ScoreSummary;
  heldOutGroups: number | null;
  intervals: Bootstrap | null;
  comparison: Comparison | null;
};

/** One site of an aggregate beside the others. */
export type SiteFigures = {
  site: string;
  updateNorm: number;
  cosine: number | null;
  drift: number;
  trainingLoss: number | null;
  lossBefore: number | null;
  lossAfter: number | null;
  outlier: Array<{
    figure: 'updateNorm' | 'cosine' | 'drift' | 'lossChange';
    value: number;
    median: number;
    score: number;
  }>;
};

/** Where a site stands in the federation. */
export type SiteStatus = 'invited' | 'pending' | 'active' | 'suspended' | 'revoked' | 'left';

/** How a site's round departs from plain training. */
export type SiteStep = {
  proximalWeight?: number;
  classPriorCorrection: boolean;
  privatePart?: 'head' | 'lora_B';
  optimiserState: 'fresh' | 'kept';
};

/** How a site's round departs from plain training. */
export type SiteStepInput = {
  proximalWeight?: number;
  classPriorCorrection?: boolean;
  privatePart?: 'head' | 'lora_B';
  optimiserState?: 'fresh' | 'kept';
};

export type SitesApproveBody = {
  fingerprint: Digest;
};

export type SitesEnrollAnswer = {
  federation: string;
  site: Name;
  status: 'pending' | 'active';
  fingerprint: Digest;
};

export type SitesEnrollBody = {
  protocol: string;
  agentVersion: string;
  secret: string;
  nonce: Digest;
  signingPublicKey: Digest;
  agreementPublicKey: Digest;
  signature: string;
  mac: Digest;
};

export type SitesInviteAgainBody = {
  url?: string;
};

export type SitesInviteBody = {
  site: Name;
  url?: string;
};

export type SitesLeaveBody = {
  reason: string;
  rerun?: boolean;
};

export type SitesListAnswer = {
  sites: Array<Site>;
  nextCursor: string | null;
};

export type SitesNonceAnswer = {
  statement: Envelope;
};

export type SitesNonceBody = {
  challenge: Digest;
};

/** A task. */
export type Task = {
  task: Name;
  title: string;
  status: TaskStatus;
  reason: string | null;
  latestVersion: number;
  promotedVersion: number | null;
  nextBaseVersion: number;
  rounds: number;
  incompleteRounds: Array<number>;
  schedule: Schedule | null;
  revision: string;
  createdAtMs: number;
  definition: TaskDefinition;
  openingRefusal: OpeningRefusal | null;
  currentRound: Round | null;
};

/** A task's definition; it never changes. */
export type TaskDefinition = {
  version: 1;
  task: Name;
  title: string;
  mode: 'clear';
  backbone: Backbone;
  preprocessing: Preprocessing;
  classes: Classes;
  rank: number;
  alpha: number;
  pooling?: 'cls' | 'mean';
  publicSeed: Digest;
  trainedTensors: 'all' | 'head' | Array<string>;
  plan: TrainingPlan;
  aggregation: Aggregation;
  site?: SiteStep;
  rounds: number;
  rules: RoundRules;
  localBaseline?: boolean;
  crossEvaluation?: boolean;
  promotion?: PromotionRule;
  earlyStop?: EarlyStopRule;
  evaluationDeadlineMs?: number;
  members: Array<Name>;
};

/** A definition of a task to be. */
export type TaskDefinitionBody = {
  version: 1;
  task: Name;
  title: string;
  mode: 'clear';
  backbone: Backbone;
  preprocessing: Preprocessing;
  classes: Classes;
  rank?: number;
  alpha?: number;
  pooling?: 'cls' | 'mean';
  publicSeed: Digest;
  trainedTensors?: 'all' | 'head' | Array<string>;
  plan: TrainingPlanInput;
  aggregation: AggregationInput;
  site?: SiteStepInput;
  rounds: number;
  rules: RoundRulesInput;
  localBaseline?: boolean;
  crossEvaluation?: boolean;
  promotion?: PromotionRuleInput;
  earlyStop?: EarlyStopRuleInput;
  evaluationDeadlineMs?: number;
  members: Array<Name>;
};

/** Where a task stands. */
export type TaskStatus = 'created' | 'running' | 'paused' | 'finished' | 'failed' | 'cancelled';

export type TasksCancelBody = {
  reason?: string;
  ifRevision?: string;
};

export type TasksListAnswer = {
  tasks: Array<Task>;
  nextCursor: string | null;
};

export type TasksPauseBody = {
  reason?: string;
  ifRevision?: string;
};

export type TasksPromoteBody = {
  version: number | null;
  reason?: string;
  ifRevision?: string;
};

export type TasksRerunBody = {
  fromVersion: number;
  rounds?: number;
  reason: string;
  ifRevision?: string;
};

export type TasksResumeBody = {
  ifRevision?: string;
};

export type TasksRollbackBody = {
  toVersion: number;
  rounds?: number;
  reason: string;
  ifRevision?: string;
};

export type TasksScheduleBody = {
  rules: ScheduleRules | null;
  ifRevision?: string;
};

export type TasksStartBody = {
  ifRevision?: string;
};

/** An API token, without its secret. */
export type Token = {
  token: string;
  name: string;
  owner: string | null;
  scopes: Array<'read' | 'tasks' | 'sites' | 'people' | 'audit' | 'everything'>;
  createdAtMs: number;
  expiresAtMs: number;
  lastUsedAtMs: number | null;
};

export type TokensCreateAnswer = {
  token: Token;
  secret: string;
};

export type TokensCreateBody = {
  name: string;
  scopes: Array<'read' | 'tasks' | 'sites' | 'people' | 'audit' | 'everything'>;
  days?: number;
};

export type TokensListAnswer = {
  tokens: Array<Token>;
  nextCursor: string | null;
};

/** How a site trains in a round. */
export type TrainingPlan = {
  version: 1;
  optimiser: {
    name: 'adamw';
    learningRate: number;
    beta1: number;
    beta2: number;
    epsilon: number;
    weightDecay: number;
    rateRatioOfB?: number;
    gradientNormMax?: number;
  };
  schedule: {
    name: 'cosine';
    warmupRounds: number;
    totalRounds: number;
    minimumLearningRate: number;
  };
  duration: {
    unit: 'epochs';
    count: number;
  } | {
    unit: 'steps';
    count: number;
  };
  batchSize: number;
  loss: {
    name: 'cross-entropy';
    labelSmoothing: number;
    classWeights?: Array<number>;
  } | {
    name: 'binary-cross-entropy';
    labelSmoothing: number;
    classWeights?: Array<number>;
    positiveWeights?: Array<number>;
  };
  augmentation: {
    name: 'none';
  } | {
    name: 'standard';
    laterality: boolean;
    horizontalFlipShare: number;
    rotationDegrees: number;
    cropAreaMin: number;
    cropAspectMax: number;
    brightness: number;
    contrast: number;
  };
  loraDropout?: number;
  seed: number;
};

/** How a site trains in a round. */
export type TrainingPlanInput = {
  version: 1;
  optimiser: {
    name: 'adamw';
    learningRate: number;
    beta1?: number;
    beta2?: number;
    epsilon?: number;
    weightDecay?: number;
    rateRatioOfB?: number;
    gradientNormMax?: number;
  };
  schedule: {
    name: 'cosine';
    warmupRounds?: number;
    totalRounds: number;
    minimumLearningRate?: number;
  };
  duration: {
    unit: 'epochs';
    count: number;
  } | {
    unit: 'steps';
    count: number;
  };
  batchSize: number;
  loss: {
    name: 'cross-entropy';
    labelSmoothing?: number;
    classWeights?: Array<number>;
  } | {
    name: 'binary-cross-entropy';
    labelSmoothing?: number;
    classWeights?: Array<number>;
    positiveWeights?: Array<number>;
  };
  augmentation: {
    name: 'none';
  } | {
    name: 'standard';
    laterality: boolean;
    horizontalFlipShare?: number;
    rotationDegrees?: number;
    cropAreaMin?: number;
    cropAspectMax?: number;
    brightness?: number;
    contrast?: number;
  };
  loraDropout?: number;
  seed: number;
};

/** An account. */
export type User = {
  user: string;
  role: Role;
  site: Name | null;
  status: 'active' | 'suspended';
  reason: string | null;
  version: number;
  createdAtMs: number;
  lastSignInAtMs: number | null;
  password: 'none' | 'temporary' | 'own';
  hasSecondFactor: boolean;
  issuer: string | null;
};

export type UsersCreateLinkAnswer = {
  url: string;
  expiresAtMs: number;
};

export type UsersListAnswer = {
  sessions: Array<{
    begunAtMs: number;
    expiresAtMs: number;
    isCurrent: boolean;
  }>;
};

export type UsersSignOutEverywhereAnswer = {
  ended: number;
};

/** What checking a published round found. */
export type Verification = {
  task: Name;
  round: number;
  attempt: number;
  scope: 'recomputed' | 'chain';
  isGood: boolean;
  checks: Array<{
    name: 'chain' | 'file' | 'recomputation';
    isGood: boolean;
    detail: string;
  }>;
  signedDigest: Digest | null;
  recomputedDigest: Digest | null;
};

/** A version of a task's adapter. */
export type Version = {
  version: number;
  adapterDigest: Digest;
  adapterBytes: number;
  createdAtMs: number;
  round: number | null;
  attempt: number | null;
  baseVersion: number | null;
  isPromoted: boolean;
  isLatest: boolean;
  leftSites: Array<Name>;
};

/** What a task's own rules said of a version. */
export type VersionDecision = {
  promotion: 'promoted' | 'refused' | 'none';
  isStopped: boolean;
  reason: string;
  decidedAtMs: number;
};

/** A version with its card and its signed chain. */
export type VersionDetail = {
  version: number;
  adapterDigest: Digest;
  adapterBytes: number;
  createdAtMs: number;
  round: number | null;
  attempt: number | null;
  baseVersion: number | null;
  isPromoted: boolean;
  isLatest: boolean;
  leftSites: Array<Name>;
  card: JsonObject;
  result: Envelope | null;
  resultPayload: RoundResult | null;
  resultDigest: Digest | null;
  membership: Envelope | null;
};

/** Figures of one version. */
export type VersionEvaluation = {
  version: number;
  pooled: ScoreSummary | null;
  pooledIntervals: PooledIntervals | null;
  decision: VersionDecision | null;
  absent: Array<AbsentSite>;
  sites: Array<SiteEvaluation>;
  local: Array<{
    site: Name;
    heldOutImages: number;
    receivedAtMs: number;
    summary: ScoreSummary;
    heldOutGroups: number | null;
    intervals: Bootstrap | null;
    comparison: Comparison | null;
    round: number;
  }>;
};

/** An address that is told of alerts. */
export type Webhook = {
  webhook: string;
  url: string;
  kinds: Array<AlertKind>;
  createdAtMs: number;
  pending: number;
};

export type WebhooksCreateAnswer = {
  webhook: Webhook;
  secret: string;
};

export type WebhooksCreateBody = {
  url: string;
  kinds?: Array<AlertKind>;
};

export type WebhooksDeliveriesAnswer = {
  deliveries: Array<Delivery>;
  nextCursor: string | null;
};

export type WebhooksListAnswer = {
  webhooks: Array<Webhook>;
  nextCursor: string | null;
};

/** Every route by method and path. */
export interface Operations {
  GET: {
    /** This description, in OpenAPI 3.1 */
    '/v1/openapi.json': {
      answer: JsonObject;
    };
    /** Explain the code of a refusal; its `type` leads here */
    '/v1/errors/{code}': {
      path: {
        code: string;
      };
      answer: ErrorCode;
    };
    /** Tell whether the coordinator and its database work; 503 where not */
    '/v1/health': {
      answer: Health;
    };
    /** List the sites of the federation by name */
    '/v1/sites': {
      query?: {
        limit?: number;
        cursor?: string;
      };
      answer: SitesListAnswer;
    };
    /** Show one site */
    '/v1/sites/{site}': {
      path: {
        site: string;
      };
      answer: Site;
    };
    /** List the tasks by name */
    '/v1/tasks': {
      query?: {
        limit?: number;
        cursor?: string;
      };
      answer: TasksListAnswer;
    };
    /** Show one task */
    '/v1/tasks/{task}': {
      path: {
        task: string;
      };
      answer: Task;
    };
    /** List every attempt at the rounds of a task, newest first */
    '/v1/tasks/{task}/rounds': {
      path: {
        task: string;
      };
      query?: {
        limit?: number;
        cursor?: string;
        round?: number;
      };
      answer: RoundsListAnswer;
    };
    /** Show the last attempt at a round, or the one asked for */
    '/v1/tasks/{task}/rounds/{round}': {
      path: {
        task: string;
        round: number;
      };
      query?: {
        attempt?: number;
      };
      answer: RoundDetail;
    };
    /** Recompute the version of a round from what is stored, or check its signed chain */
    '/v1/tasks/{task}/rounds/{round}/verification': {
      path: {
        task: string;
        round: number;
      };
      answer: Verification;
    };
    /** List the versions of a task's adapter, oldest first by default */
    '/v1/tasks/{task}/versions': {
      path: {
        task: string;
      };
      query?: {
        limit?: number;
        cursor?: string;
        order?: 'oldest' | 'newest';
      };
      answer: RegistryListAnswer;
    };
    /** Show one version: card, digest, lineage and signed result */
    '/v1/tasks/{task}/versions/{version}': {
      path: {
        task: string;
        version: number;
      };
      answer: VersionDetail;
    };
    /** Download the adapter of a version in a format of docs/adapters.md; its headers say what it is */
    '/v1/tasks/{task}/versions/{version}/adapter': {
      path: {
        task: string;
        version: number;
      };
      query?: {
        format?: 'melo' | 'peft' | 'official';
        peftNames?: 'transformers-4' | 'transformers-5';
        dropHeadBias?: 'true' | 'false';
      };
      bytes: 'application/octet-stream';
    };
    /** Show the figures of every version: pooled, by site, of local adapters, and of these across sites */
    '/v1/tasks/{task}/evaluations': {
      path: {
        task: string;
      };
      answer: EvaluationListAnswer;
    };
    /** Show loss and AUC of every version in brief, for charts: pooled, by site, local */
    '/v1/tasks/{task}/evaluations/brief': {
      path: {
        task: string;
      };
      answer: EvaluationBriefAnswer;
    };
    /** List the requests for evaluations of a task, newest first, with the state of every site */
    '/v1/tasks/{task}/evaluation-requests': {
      path: {
        task: string;
      };
      query?: {
        limit?: number;
        cursor?: string;
      };
      answer: EvaluationRequestsListAnswer;
    };
    /** List what happened, oldest first by default; actor, action and target take a last * */
    '/v1/audit': {
      query?: {
        limit?: number;
        cursor?: string;
        order?: 'oldest' | 'newest';
        actor?: string;
        action?: string;
        target?: string;
        since?: number;
        until?: number;
      };
      answer: AuditListAnswer;
    };
    /** Tell how far the chained log goes and its last link, with the coordinator's signature */
    '/v1/audit/head': {
      answer: AuditHeadAnswer;
    };
    /** Export the whole chained log as NDJSON; its last line is the signed head */
    '/v1/audit/export': {
      bytes: 'application/x-ndjson';
    };
    /** Make a backup of this moment and send it as a tar, signed at its end; no key is in it */
    '/v1/backup': {
      bytes: 'application/x-tar';
    };
    /** Tell how the coordinator is run: drain, disk, quotas, retention */
    '/v1/operations': {
      answer: OperationsStatusAnswer;
    };
    /** Tell where a drain stands and what it awaits */
    '/v1/drain': {
      answer: Drain;
    };
    /** Tell the figures of docs/telemetry.md in Prometheus's text format; on the coordinator's own machine without signing in */
    '/metrics': {
      bytes: 'text/plain';
    };
    /** List the caller's own sessions, the newest first */
    '/v1/sessions': {
      answer: UsersListAnswer;
    };
    /** Tell who is signed in */
    '/v1/sessions/current': {
      answer: Session;
    };
    /** List the people with an account by name */
    '/v1/users': {
      query?: {
        limit?: number;
        cursor?: string;
      };
      answer: AccountsListAnswer;
    };
    /** Show one account */
    '/v1/users/{user}': {
      path: {
        user: string;
      };
      answer: User;
    };
    /** Show the caller's own account */
    '/v1/account': {
      answer: Account;
    };
    /** List who vouches for people beside local accounts */
    '/v1/sign-in-providers': {
      answer: SingleSignOnProvidersAnswer;
    };
    /** Send the browser to a provider */
    '/v1/sign-in-providers/{provider}/begin': {
      path: {
        provider: string;
      };
      query?: {
        place?: string;
      };
    };
    /** Take the browser back: sets the session's cookie and shows the place that was asked for */
    '/v1/sign-in-providers/{provider}/finish': {
      path: {
        provider: string;
      };
      query?: {
        state?: string;
      };
    };
    /** List one's own API tokens, oldest first; administrators see those of everybody */
    '/v1/tokens': {
      query?: {
        limit?: number;
        cursor?: string;
      };
      answer: TokensListAnswer;
    };
    /** List the addresses that are told of alerts, oldest first, without their secrets */
    '/v1/webhooks': {
      query?: {
        limit?: number;
        cursor?: string;
      };
      answer: WebhooksListAnswer;
    };
    /** List what an address was told in the last 30 days, newest first */
    '/v1/webhooks/{webhook}/deliveries': {
      path: {
        webhook: string;
      };
      query?: {
        limit?: number;
        cursor?: string;
      };
      answer: WebhooksDeliveriesAnswer;
    };
  };
  POST: {
    /** Invite a site: make it and its one-time enrolment code */
    '/v1/sites': {
      body: SitesInviteBody;
      answer: Invitation;
    };
    /** Make a new enrolment code for a site; earlier unused codes stop working */
    '/v1/sites/{site}/invitations': {
      path: {
        site: string;
      };
      body?: SitesInviteAgainBody;
      answer: Invitation;
    };
    /** Approve an enrolled site whose fingerprint was compared */
    '/v1/sites/{site}/approve': {
      path: {
        site: string;
      };
      body: SitesApproveBody;
      answer: Site;
    };
    /** Suspend a site and cut its connection */
    '/v1/sites/{site}/suspend': {
      path: {
        site: string;
      };
      body: Reason;
      answer: Site;
    };
    /** Let a suspended site take part again */
    '/v1/sites/{site}/resume': {
      path: {
        site: string;
      };
      body?: Nothing;
      answer: Site;
    };
    /** Revoke a site for good and cut its connection */
    '/v1/sites/{site}/revoke': {
      path: {
        site: string;
      };
      body: Reason;
      answer: Site;
    };
    /** Let a site leave: cut, in no later round, the versions with its share marked; with rerun its tasks go on from the last version without it */
    '/v1/sites/{site}/leave': {
      path: {
        site: string;
      };
      body: SitesLeaveBody;
      answer: LeavingSite;
    };
    /** Ask for a single-use nonce, signed by the coordinator */
    '/v1/handshake/nonce': {
      body: SitesNonceBody;
      answer: SitesNonceAnswer;
    };
    /** Enrol a site with its one-time code and the proof of both keys */
    '/v1/enrollments': {
      body: SitesEnrollBody;
      answer: SitesEnrollAnswer;
    };
    /** Create a task with its version 0; it starts at once unless start=false */
    '/v1/tasks': {
      query?: {
        start?: 'true' | 'false';
      };
      body: TaskDefinitionBody;
      answer: Task;
    };
    /** Start a task that was created without starting */
    '/v1/tasks/{task}/start': {
      path: {
        task: string;
      };
      body?: TasksStartBody;
      answer: Task;
    };
    /** Let the open round end and open no other */
    '/v1/tasks/{task}/pause': {
      path: {
        task: string;
      };
      body?: TasksPauseBody;
      answer: Task;
    };
    /** Go on with a paused or failed task */
    '/v1/tasks/{task}/resume': {
      path: {
        task: string;
      };
      body?: TasksResumeBody;
      answer: Task;
    };
    /** Abandon the open round and end the task */
    '/v1/tasks/{task}/cancel': {
      path: {
        task: string;
      };
      body?: TasksCancelBody;
      answer: Task;
    };
    /** Say which version people should use; null takes that back */
    '/v1/tasks/{task}/promote': {
      path: {
        task: string;
      };
      body: TasksPromoteBody;
      answer: Task;
    };
    /** Let the next round start from an earlier version, or make more rounds from the latest */
    '/v1/tasks/{task}/rerun': {
      path: {
        task: string;
      };
      body: TasksRerunBody;
      answer: Task;
    };
    /** Promote an earlier version and let the next round start from it */
    '/v1/tasks/{task}/rollback': {
      path: {
        task: string;
      };
      body: TasksRollbackBody;
      answer: Task;
    };
    /** Say when rounds may open: at times of a calendar, once enough sites are ready; null is at once */
    '/v1/tasks/{task}/schedule': {
      path: {
        task: string;
      };
      body: TasksScheduleBody;
      answer: Task;
    };
    /** Abandon the open attempt at a round */
    '/v1/tasks/{task}/rounds/{round}/abandon': {
      path: {
        task: string;
        round: number;
      };
      body: RoundsAbandonBody;
      answer: Round;
    };
    /** Ask sites to evaluate versions on their held-out images; a site's policy may decline */
    '/v1/tasks/{task}/evaluation-requests': {
      path: {
        task: string;
      };
      body: EvaluationRequestsCreateBody;
      answer: EvaluationRequest;
    };
    /** Wait for no more reports of a request; what has been reported stays */
    '/v1/tasks/{task}/evaluation-requests/{request}/cancel': {
      path: {
        task: string;
        request: string;
      };
      body?: EvaluationRequestsCancelBody;
      answer: EvaluationRequest;
    };
    /** Finish the open rounds, open none, then end the process */
    '/v1/drain': {
      body?: Nothing;
      answer: Drain;
    };
    /** Drain no more: rounds open again */
    '/v1/drain/cancel': {
      body?: Nothing;
      answer: Drain;
    };
    /** Make a link that signs in once, within five minutes, on the coordinator's machine */
    '/v1/sign-in-links': {
      body?: Nothing;
      answer: UsersCreateLinkAnswer;
    };
    /** Sign a browser in with name and password, a token or the secret of a link: sets the session's cookie */
    '/v1/sessions': {
      body: SignIn;
      answer: Session;
    };
    /** Make an account with a temporary password, which is shown once */
    '/v1/users': {
      body: AccountsCreateBody;
      answer: NewPassword;
    };
    /** Change what somebody may do; a steward's role names a site */
    '/v1/users/{user}/role': {
      path: {
        user: string;
      };
      body: AccountsRoleBody;
      answer: User;
    };
    /** Let somebody do nothing until resumed; ends their sessions */
    '/v1/users/{user}/suspend': {
      path: {
        user: string;
      };
      body: AccountsSuspendBody;
      answer: User;
    };
    /** Let a suspended person sign in again */
    '/v1/users/{user}/resume': {
      path: {
        user: string;
      };
      body?: AccountsResumeBody;
      answer: User;
    };
    /** Set a temporary password, shown once; ends the sessions of the account */
    '/v1/users/{user}/password': {
      path: {
        user: string;
      };
      body?: AccountsResetPasswordBody;
      answer: NewPassword;
    };
    /** Change one's own password; every session of the account ends and a new one begins */
    '/v1/account/password': {
      body: AccountsChangePasswordBody;
      answer: Nothing;
    };
    /** Make the secret of an authenticator, shown once; a code of it must confirm it */
    '/v1/account/second-factor': {
      body: SecondFactorEnrolBody;
      answer: SecondFactorEnrolAnswer;
    };
    /** Confirm the secret by a code; sign-in asks for one from then on */
    '/v1/account/second-factor/confirm': {
      body: SecondFactorConfirmBody;
      answer: SecondFactorConfirmAnswer;
    };
    /** Remove one's own second factor */
    '/v1/account/second-factor/remove': {
      body: SecondFactorRemoveBody;
      answer: Nothing;
    };
    /** Make new recovery codes, shown once; the old ones stop working */
    '/v1/account/recovery-codes': {
      body: SecondFactorRemoveBody;
      answer: SecondFactorConfirmAnswer;
    };
    /** Remove the second factor of somebody who lost it; ends the sessions of the account */
    '/v1/users/{user}/second-factor/remove': {
      path: {
        user: string;
      };
      body?: SecondFactorRemoveOfUserBody;
      answer: User;
    };
    /** Make an API token of the caller, shown once; it can do no more than its maker */
    '/v1/tokens': {
      body: TokensCreateBody;
      answer: TokensCreateAnswer;
    };
    /** Tell an address of what holds now and of alerts from now on; its secret is shown once */
    '/v1/webhooks': {
      body: WebhooksCreateBody;
      answer: WebhooksCreateAnswer;
    };
    /** Send a test to an address, once; its delivery shows what came of it */
    '/v1/webhooks/{webhook}/test': {
      path: {
        webhook: string;
      };
      body?: Nothing;
      answer: Delivery;
    };
  };
  DELETE: {
    /** Sign out everywhere: ends every session of the caller's, this one too */
    '/v1/sessions': {
      answer: UsersSignOutEverywhereAnswer;
    };
    /** Sign out: ends the session and takes its cookie away */
    '/v1/sessions/current': {
      answer: Nothing;
    };
    /** Remove an account with its sessions and API tokens */
    '/v1/users/{user}': {
      path: {
        user: string;
      };
      query?: {
        ifVersion?: number;
      };
      answer: Nothing;
    };
    /** Revoke one's own API token; administrators revoke any */
    '/v1/tokens/{token}': {
      path: {
        token: string;
      };
      answer: Nothing;
    };
    /** Tell an address nothing any more, and forget what it was told */
    '/v1/webhooks/{webhook}': {
      path: {
        webhook: string;
      };
      answer: Nothing;
    };
  };
}
