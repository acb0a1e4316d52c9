/** The end of a form in a window. */
import { Alert, Button } from '@mantine/core';
import { useContext, useEffect } from 'react';
import { DialogBusy, DialogButtons } from './dialog.tsx';

/** What hinders it, a way out without doing anything, and the button that does it. */
export function FormEnd(props: {
  readonly failure: string | undefined;
  readonly isBusy: boolean;
  /** Whether everything that is needed was filled in. */
  readonly isReady: boolean;
  /** On the button that does it. */
  readonly verb: string;
  /** Cannot be taken back. */
  readonly isGrave?: boolean;
  /** Undefined where there is no way around it. */
  readonly onCancel: (() => void) | undefined;
}) {
  const { failure, isBusy, isReady, verb, isGrave = false, onCancel } = props;
  const isDialogBusy = useContext(DialogBusy);
  useEffect(() => {
    isDialogBusy.current = isBusy;
    return () => {
      isDialogBusy.current = false;
    };
  }, [isDialogBusy, isBusy]);
  return (
    <>
      {failure !== undefined && (
        <Alert color="red" role="alert">
          {failure}
        </Alert>
      )}
      <DialogButtons>
        {onCancel !== undefined && (
          <Button variant="default" disabled={isBusy} onClick={onCancel}>
            Do nothing
          </Button>
        )}
        <Button
          type="submit"
          loading={isBusy}
          disabled={!isReady}
          {...(isGrave ? { color: 'red.9' } : {})}
        >
          {verb}
        </Button>
      </DialogButtons>
    </>
  );
}
