/** What the agent tells the outside: events for people and programs, and a log for operators. */

/** A line of NDJSON under --json; `event` names it. */
export type AgentEvent =
  | { readonly event: 'connected'; readonly site: string; readonly coordinator: string }
  | { readonly event: 'disconnected'; readonly reason: string }
  | {
      readonly event: 'refused';
      readonly code: string;
      readonly message: string;
      readonly retryInMs: number;
    }
  | { readonly event: 'waiting'; readonly reason: string }
  | { readonly event: 'audit-fork'; readonly reason: string; readonly proof: string }
  | { readonly event: 'version-fork'; readonly task: string; readonly reason: string }
  | { readonly event: 'fork-accepted' }
  | RoundDecisionEvent
  | {
      /** The coordinator asks for an update that it had acknowledged: it was restored from a backup. */
      readonly event: 'upload-again';
      readonly task: string;
      readonly round: number;
      readonly attempt: number;
    }
  | {
      readonly event: 'preparing' | 'training' | 'evaluating';
      readonly task: string;
      readonly round: number | null;
      readonly step: number;
      readonly steps: number;
      readonly etaSeconds: number | null;
    }
  | {
      readonly event: 'upload';
      readonly task: string;
      readonly round: number;
      /** Bytes that left, repeats counted. */
      readonly bytesSent: number;
      /** Bytes that the coordinator has. */
      readonly bytesStored: number;
      readonly bytes: number;
      readonly resumedFromRange: number;
      readonly etaSeconds: number | null;
    }
  | {
      readonly event: 'download';
      readonly task: string;
      readonly version: number;
      readonly bytesDone: number;
      readonly bytes: number;
      readonly etaSeconds: number | null;
    }
  | {
      readonly event: 'uploaded';
      readonly task: string;
      readonly round: number;
      readonly bytes: number;
      /** Bytes of this update that left in all, repeats counted. */
      readonly bytesSent: number;
      /** Bytes of all messages of this site since the last update: what a firewall sees, frames apart. */
      readonly egressBytes: number;
      readonly status: string;
    }
  | {
      readonly event: 'evaluated';
      readonly task: string;
      readonly version: number;
      readonly subject: string;
    }
  | {
      /** The adapter that this site trained alone is with the coordinator, since the task asks for it and the policy allows it. */
      readonly event: 'baseline-shared';
      readonly task: string;
      readonly bytes: number;
    }
  | {
      readonly event: 'version';
      readonly task: string;
      readonly version: number;
      readonly digest: string;
      readonly isFinal: boolean;
      /** What became of its round, with every planned site that is not in it and why. */
      readonly summary: string;
    }
  | {
      readonly event: 'trainer-failed';
      readonly task: string;
      readonly round: number;
      readonly code: string;
      readonly message: string;
    }
  | {
      readonly event: 'round-dropped';
      readonly task: string;
      readonly round: number;
      readonly reason: string;
    };

type RoundDecisionEvent =
  | {
      /** `round-held-back`: the site may take part once it mends what the reason names. */
      readonly event: 'round-declined' | 'round-held-back' | 'round-withdrawn';
      readonly task: string;
      readonly round: number;
      readonly attempt: number;
      readonly code: string;
      readonly reason: string;
    }
  | {
      readonly event: 'evaluation-declined';
      readonly task: string;
      readonly version: number;
      readonly code: string;
      readonly reason: string;
    }
  | { readonly event: 'task-withdrawn'; readonly task: string; readonly reason: string }
  | { readonly event: 'task-rejoined'; readonly task: string }
  | {
      readonly event: 'round-accepted';
      readonly task: string;
      readonly round: number;
      readonly attempt: number;
      readonly samples: number;
    };

/** Takes events. */
export type EmitEvent = (event: AgentEvent) => void;

/** The part of pino's interface that the agent uses. */
export interface Logger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** A log that keeps nothing. */
export const silentLogger: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
