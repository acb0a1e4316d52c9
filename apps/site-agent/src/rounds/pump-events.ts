/** What follows when the outbox delivered or dropped an entry: the journal, the events, the end of the round's files. */
import { join } from 'node:path';
import type { CrashPoints } from '#core/crash-points';
import type { RoundKey } from '#core/protocol';
import type { EmitEvent, Logger } from '../common/events.ts';
import type { PumpEvents } from '../outbox/outbox-pump.ts';
import { TransferMeter } from '../transport/transfer-meter.ts';
import { WorkFiles } from '../trainer/work-files.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { RoundState, TaskJournal } from './task-journal.ts';

/** Make the pump's listener. */
export function pumpEvents(options: {
  readonly journal: TaskJournal;
  readonly heartbeat: Heartbeat;
  readonly emit: EmitEvent;
  readonly logger: Logger;
  readonly connection: { readonly bytesSent: number };
  readonly dataDirectory: string;
  readonly crashPoints: CrashPoints;
}): PumpEvents {
  const { journal, emit, logger, connection } = options;
  let egressBefore = connection.bytesSent;

  const settle = async (key: RoundKey, phase: RoundState['phase']): Promise<void> => {
    await journal.update(key.task, ({ round }) => {
      const isPresent = round?.key.round === key.round && round.key.attempt === key.attempt;
      // A newer round is not touched, nor one that the site has withdrawn from meanwhile.
      return isPresent && round.phase !== 'withdrawn' ? { round: { ...round, phase } } : {};
    });
    const name = `round-${key.round}-attempt-${key.attempt}`;
    await new WorkFiles(join(options.dataDirectory, 'work', key.task, name)).removeAll();
  };

  return {
    onProgress: uploadReporter(options),
    onUploaded: async ({ key, ciphertext }, { bytesSent, status }) => {
      const { task, round } = key;
      options.crashPoints.reach('agent.upload-acknowledged');
      await settle(key, 'uploaded');
      options.crashPoints.reach('agent.upload-journalled');
      options.heartbeat.set({ phase: 'waiting', task, round, progress: null });
      const egressBytes = connection.bytesSent - egressBefore;
      egressBefore = connection.bytesSent;
      const bytes = ciphertext.length;
      emit({
        event: 'uploaded',
        task,
        round,
        bytes,
        bytesSent,
        egressBytes,
        status: status ?? 'committed before',
      });
    },
    onDropped: async (entry, refusal) => {
      const { code } = refusal;
      if (entry.kind === 'evaluation') {
        logger.warn({ code, task: entry.task }, `score report not taken: ${refusal.message}`);
        return;
      }
      const { task, round } = entry.key;
      await settle(entry.key, 'dropped');
      emit({ event: 'round-dropped', task, round, reason: `${code}: ${refusal.message}` });
      logger.warn({ code, task, round }, `update not taken: ${refusal.message}`);
    },
  };
}

/** Make the listener of uploads: the heartbeat has their progress, people are told every two seconds. */
function uploadReporter({
  heartbeat,
  emit,
}: {
  readonly heartbeat: Heartbeat;
  readonly emit: EmitEvent;
}): PumpEvents['onProgress'] {
  /** The upload under way: the outbox sends one at a time. */
  let metered: { readonly uploadId: string; readonly meter: TransferMeter } | null = null;
  return ({ key, uploadId, ciphertext }, progress) => {
    const { task, round } = key;
    const bytes = ciphertext.length;
    const share = Math.min(1, progress.bytesStored / bytes);
    heartbeat.set({ phase: 'uploading', task, round, progress: share });
    if (metered?.uploadId !== uploadId)
      metered = { uploadId, meter: new TransferMeter(bytes, progress.bytesStored) };
    const report = metered.meter.report(progress.bytesStored);
    if (report !== null) emit({ event: 'upload', task, round, bytes, ...progress, ...report });
  };
}
