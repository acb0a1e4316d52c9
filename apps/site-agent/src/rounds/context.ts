/** What the parts of the agent share while it runs. */
import type { CrashPoints } from '#core/crash-points';
import type { AuditWatch } from '../audit/audit-watch.ts';
import type { SiteKeys } from '../identity/identity.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { EmitEvent, Logger } from '../common/events.ts';
import type { Outbox } from '../outbox/outbox.ts';
import type { OutboxPump } from '../outbox/outbox-pump.ts';
import type { SitePolicy } from '../policy/policy.ts';
import type { CoordinatorCommands } from '../transport/connection.ts';
import type { Trainer } from '../trainer/trainer.ts';
import type { SiteId, RoundKey } from '#core/protocol';
import type { Heartbeat } from './heartbeat.ts';
import type { TaskJournal } from './task-journal.ts';
import type { Withdrawals } from './withdrawals.ts';
import type { ScoreArchive } from './score-archive.ts';
import type { VersionStore } from './version-store.ts';

/** What the coordinator of the present connection can do beyond the first release; asked before any work is lined up. */
export interface CoordinatorAbilities {
  /** It takes everything that a report may carry. */
  takesFullReports: boolean;
}

/** Everything a round needs at this site. */
export interface AgentContext {
  readonly site: SiteId;
  readonly federation: string;
  readonly coordinatorPublicKey: Uint8Array;
  readonly keys: SiteKeys;
  readonly config: AgentConfig;
  readonly policy: SitePolicy;
  readonly commands: CoordinatorCommands;
  readonly trainer: Trainer;
  readonly journal: TaskJournal;
  readonly withdrawals: Withdrawals;
  readonly audit: AuditWatch;
  readonly outbox: Outbox;
  readonly pump: OutboxPump;
  readonly versions: VersionStore;
  readonly scores: ScoreArchive;
  readonly abilities: CoordinatorAbilities;
  readonly heartbeat: Heartbeat;
  readonly emit: EmitEvent;
  readonly logger: Logger;
  /** Moments that a test may end the process at. */
  readonly crashPoints: CrashPoints;
}

/** Name an attempt of a round, for the queue and the log. */
export const roundName = ({ task, round, attempt }: RoundKey): string =>
  `${task}/round-${round}/attempt-${attempt}`;
