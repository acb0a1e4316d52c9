/**
 * Moments at which a crash is worth a test: the apps name them, and in production nothing happens there.
 *
 * Whoever wants a process to end at one constructs the app with a port of its own; no option of a program does.
 */

/** Every named moment, by the process that reaches it. */
export const crashPointNames = [
  // The coordinator: a round.
  'coordinator.opening-uncommitted',
  'coordinator.opening-stored',
  'coordinator.event-uncommitted',
  'coordinator.event-stored',
  'coordinator.version-uncommitted',
  'coordinator.version-stored',
  // The coordinator: an upload.
  'coordinator.range-written',
  'coordinator.range-synced',
  'coordinator.range-stored',
  'coordinator.update-verified',
  'coordinator.update-stored',
  // The coordinator: a version.
  'coordinator.aggregate-made',
  'coordinator.blob-stored',
  // The coordinator: the rest of its life.
  'coordinator.resuming',
  'coordinator.retention-files-erased',
  'coordinator.enrollment-uncommitted',
  'coordinator.enrollment-stored',
  // The agent.
  'agent.decision-signed',
  'agent.decision-acknowledged',
  'agent.decision-journalled',
  'agent.global-fetched',
  'agent.update-sealed',
  'agent.update-kept',
  'agent.seal-journalled',
  'agent.range-acknowledged',
  'agent.upload-acknowledged',
  'agent.upload-journalled',
  'agent.result-verified',
  'agent.result-journalled',
  'agent.evaluation-signed',
  'agent.evaluation-kept',
  // The agent's trainer.
  'trainer.checkpoint-written',
  'trainer.update-written',
  'trainer.report-written',
] as const;

/** The name of a moment. */
export type CrashPointName = (typeof crashPointNames)[number];

/** Told of every named moment as it is reached. */
export interface CrashPoints {
  /** Reach a moment; what stands before it in the code has happened, what stands after it has not. */
  reach(point: CrashPointName): void;
}

/** The crash points of production: nothing happens. */
export const noCrashPoints: CrashPoints = { reach: () => undefined };
