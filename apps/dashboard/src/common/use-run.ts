/** What a form sends, and what became of it. */
import { useEffect, useRef, useState } from 'react';
import { ApiError } from '../api/client.ts';
import { announce } from './notice.tsx';

/**
 * Run something and tell what hinders it, in the coordinator's words where `tell` has none; whoever has gone elsewhere
 * meanwhile is told there.
 */
export function useRun(tell = (error: ApiError): string => error.message): {
  readonly isBusy: boolean;
  readonly failure: string | undefined;
  readonly run: (work: () => Promise<void>) => void;
} {
  const [isBusy, setIsBusy] = useState(false);
  const [failure, setFailure] = useState<string>();
  const isShown = useRef(false);
  useEffect(() => {
    isShown.current = true;
    return () => {
      isShown.current = false;
    };
  }, []);
  const run = (work: () => Promise<void>): void => {
    setIsBusy(true);
    setFailure(undefined);
    void work()
      .catch((error: unknown) => {
        if (!(error instanceof ApiError)) throw error;
        if (isShown.current) setFailure(tell(error));
        else announce(tell(error));
      })
      .finally(() => {
        setIsBusy(false);
      });
  };
  return { isBusy, failure, run };
}
