/** A refusal by the coordinator, as an error with the coordinator's own code. */
import { MeloError, type PublicError } from '#core/errors';

/** The coordinator said no; `isRetryable` says whether the same may be granted later. */
export class RefusedError extends MeloError {
  readonly isRetryable: boolean;
  constructor(refusal: PublicError) {
    super(refusal.code, refusal.message);
    this.isRetryable = refusal.retryable;
  }
}
