/** The coordinator's side of uploads for specs: ranges kept in memory, links that break on demand. */
import { siteCommands, limits } from '#core/protocol';
import type { FakeCoordinator } from './fake-coordinator.ts';
import { refusal } from './fake-coordinator.ts';

/** Uploads of a fake coordinator. */
export class FakeUploads {
  readonly ranges = new Map<string, Map<number, Uint8Array>>();
  readonly committed = new Map<string, Uint8Array>();
  /** Indices of all ranges that came, repeats included. */
  readonly arrived: number[] = [];
  /** Cut the link once so many ranges were stored, before the last is acknowledged; null for never. */
  cutAfter: number | null = null;
  onCommit: (uploadId: string, ciphertext: Uint8Array) => object = () => ({
    ok: true,
    status: 'reported',
  });

  /** Have nothing of it any more, as after a restore. */
  forget(): void {
    this.ranges.clear();
    this.committed.clear();
  }

  constructor(coordinator: FakeCoordinator) {
    coordinator.handlers.set('upload:begin', (raw) => {
      const { uploadId } = siteCommands['upload:begin'].request.parse(raw);
      const stored = this.ranges.get(uploadId) ?? new Map<number, Uint8Array>();
      this.ranges.set(uploadId, stored);
      const received = [...stored.keys()].sort((a, b) => a - b).map((index) => [index, index + 1]);
      return { ok: true, received, isCommitted: this.committed.has(uploadId) };
    });
    coordinator.handlers.set('upload:range', (raw) => {
      const { uploadId, index, bytes } = siteCommands['upload:range'].request.parse(raw);
      const stored = this.ranges.get(uploadId);
      if (stored === undefined) return refusal('UPLOAD_UNKNOWN', true);
      stored.set(index, new Uint8Array(bytes));
      this.arrived.push(index);
      if (this.cutAfter === this.arrived.length) {
        coordinator.cut();
        return new Promise(() => undefined); // the acknowledgement is lost
      }
      return { ok: true };
    });
    coordinator.handlers.set('upload:commit', (raw) => {
      const { uploadId } = siteCommands['upload:commit'].request.parse(raw);
      const stored = [...(this.ranges.get(uploadId) ?? [])].sort(([a], [b]) => a - b);
      const ciphertext = new Uint8Array(Buffer.concat(stored.map(([, bytes]) => bytes)));
      if (stored.length !== Math.ceil(ciphertext.length / limits.rangeBytes))
        return refusal('UPLOAD_INCOMPLETE', true);
      const answer = this.onCommit(uploadId, ciphertext);
      this.committed.set(uploadId, ciphertext);
      return answer;
    });
  }
}
