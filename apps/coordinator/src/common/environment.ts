/** What the whole application stands on, made before Nest starts and given to it as one value. */
import type { Clock } from '#core/clock';
import { noCrashPoints, type CrashPoints } from '#core/crash-points';
import type { CoordinatorKeys, DataFolder } from '../config/data-folder.ts';
import type { Database, Queries } from '../config/database.ts';
import type { AdapterWork } from '../rounds/adapter-work.ts';
import type { SignInProvider } from '../users/providers.ts';
import { Metrics } from '../telemetry/metrics.ts';
import type { DurableFiles } from './durable-files.ts';
import type { Logger } from './logger.ts';
import { Transactions } from './transactions.ts';

/** Dials of a coordinator that an operator may turn. */
export interface CoordinatorSettings {
  /** Milliseconds that uploads and the round's key are kept after a round settled; 0 is at once. */
  readonly retentionMs: number;
  /** Milliseconds that an enrolment code can be used. */
  readonly invitationLifetimeMs: number;
  /** Rounds lost in a row after which a site is suspended. */
  readonly lostRoundsMax: number;
  /** Attempts at one round before the task fails. */
  readonly attemptsMax: number;
  /** Free bytes below which nothing new begins; null for what the open rounds still need, 512 MiB at least. */
  readonly diskReserveBytes: number | null;
  /** Bytes of stored uploads in all; null for no bound. */
  readonly uploadsQuotaBytes: number | null;
  /** Bytes of stored uploads of one site; null for no bound. */
  readonly siteUploadsQuotaBytes: number | null;
  /** Whether what a proxy says of its own connection is believed. */
  readonly trustProxy: boolean;
  /** REST requests of one caller that are answered, and how many at once. */
  readonly requestsPerSecond: number;
  readonly requestsBurst: number;
  /** Whether the account of an administrator must have a second factor. */
  readonly requireTotp: boolean;
  /** File of breached passwords, none of which is taken; null for the common ones that are known here alone. */
  readonly breachedPasswordsFile: string | null;
  /** Who vouches for people beside local accounts. */
  readonly signInProviders: readonly SignInProvider[];
  /** Milliseconds without a connection after which people are told that a site is silent. */
  readonly siteSilentMs: number;
  /** Milliseconds since a site enrolled with its keys after which people are told so. */
  readonly keyAgeMaxMs: number;
}

/** The defaults of the documentation. */
export const defaultSettings: CoordinatorSettings = {
  retentionMs: 7 * 24 * 3_600_000,
  invitationLifetimeMs: 24 * 3_600_000,
  lostRoundsMax: 3,
  attemptsMax: 3,
  diskReserveBytes: null,
  uploadsQuotaBytes: null,
  siteUploadsQuotaBytes: null,
  trustProxy: false,
  requestsPerSecond: 200,
  requestsBurst: 2000,
  requireTotp: false,
  breachedPasswordsFile: null,
  signInProviders: [],
  siteSilentMs: 10 * 60_000,
  keyAgeMaxMs: 365 * 24 * 3_600_000,
};

/** Tells the free bytes of the disk that a folder lies on. */
export type FreeBytes = (folder: string) => Promise<number>;

/** What the whole application stands on. */
export class Environment {
  readonly database: Database;
  readonly folder: DataFolder;
  readonly files: DurableFiles;
  readonly keys: CoordinatorKeys;
  readonly federation: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: CoordinatorSettings;
  readonly work: AdapterWork;
  /** Free bytes of the disk that a folder lies on. */
  readonly freeBytes: FreeBytes;
  readonly transactions: Transactions;
  /** What is counted. */
  readonly metrics: Metrics;
  /** Moments that a test may end the process at. */
  readonly crashPoints: CrashPoints;
  /** Address that enrolment codes carry; known once the port is. */
  publicUrl = '';

  constructor(
    parts: Omit<Environment, 'publicUrl' | 'queries' | 'transactions' | 'crashPoints' | 'metrics'> &
      Partial<Pick<Environment, 'crashPoints' | 'metrics'>>,
  ) {
    this.database = parts.database;
    this.folder = parts.folder;
    this.files = parts.files;
    this.keys = parts.keys;
    this.federation = parts.federation;
    this.clock = parts.clock;
    this.logger = parts.logger;
    this.settings = parts.settings;
    this.work = parts.work;
    this.freeBytes = parts.freeBytes;
    this.transactions = new Transactions(parts.database);
    this.crashPoints = parts.crashPoints ?? noCrashPoints;
    this.metrics = parts.metrics ?? new Metrics();
  }

  /** Queries outside any transaction. */
  get queries(): Queries {
    return this.database.queries;
  }
}
