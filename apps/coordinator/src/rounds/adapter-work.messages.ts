/** What passes between the coordinator and its worker thread. */
import type {
  AggregateJob,
  AloneJob,
  InitialJob,
  MadeVersion,
  UpdateRejection,
  VerifyJob,
} from './adapter-work.ts';

/** A job for the worker. */
export type WorkRequest = { readonly id: number } & (
  | { readonly kind: 'initial'; readonly job: InitialJob }
  | { readonly kind: 'verify'; readonly job: VerifyJob }
  | { readonly kind: 'aggregate'; readonly job: AggregateJob }
  | { readonly kind: 'alone'; readonly job: AloneJob }
);

/** What became of it. */
export type WorkResponse = { readonly id: number } & (
  | { readonly kind: 'made'; readonly version: MadeVersion }
  | { readonly kind: 'verified'; readonly rejection: UpdateRejection | null }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
);
