/** What a form sends, and what became of it. */
import { useState } from 'react';
import { ApiError } from '../api/client.ts';

/** Run something and tell what hinders it, in the coordinator's words where `tell` has none. */
export function useRun(tell = (error: ApiError): string => error.message): {
  readonly isBusy: boolean;
  readonly failure: string | undefined;
  readonly run: (work: () => Promise<void>) => void;
} {
  const [isBusy, setIsBusy] = useState(false);
  const [failure, setFailure] = useState<string>();
  const run = (work: () => Promise<void>): void => {
    setIsBusy(true);
    setFailure(undefined);
    void work()
      .catch((error: unknown) => {
        if (!(error instanceof ApiError)) throw error;
        setFailure(tell(error));
      })
      .finally(() => {
        setIsBusy(false);
      });
  };
  return { isBusy, failure, run };
}
