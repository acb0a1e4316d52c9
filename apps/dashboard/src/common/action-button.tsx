/** A button for something that changes the federation: it asks first, in a window that says what will happen. */
import { Button, Stack, Text, Textarea } from '@mantine/core';
import { useState, type ReactNode, type SyntheticEvent } from 'react';
import { ApiError } from '../api/client.ts';
import { live } from '../api/live.ts';
import { Dialog } from './dialog.tsx';
import { FormEnd } from './form-end.tsx';
import { announce } from './notice.tsx';

const reasonMax = 500;

/** What a button does and what is said before and after. */
export interface Action {
  /** On the button. */
  readonly label: string;
  /** What screen readers hear where the label alone says too little. */
  readonly fullLabel?: string;
  /** The question. */
  readonly title: string;
  /** What will happen. */
  readonly explanation: ReactNode;
  /** On the button that does it. */
  readonly verb: string;
  readonly reason: 'required' | 'optional' | 'none';
  /** Cannot be taken back. */
  readonly isGrave?: boolean;
  /** Do it. `reason` is empty where none was given. */
  readonly run: (reason: string) => Promise<unknown>;
  /** Said afterwards. */
  readonly done: string;
}

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

function ActionDialog(props: { readonly action: Action; readonly onClose: () => void }) {
  const { action, onClose } = props;
  const [reason, setReason] = useState('');
  const { isBusy, failure, run } = useRun();
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      await action.run(reason.trim());
      live.look();
      announce(action.done);
      onClose();
    });
  };
  return (
    <Dialog title={action.title} onClose={onClose}>
      <form onSubmit={submit}>
        <Stack gap="md">
          <Text size="sm" component="div">
            {action.explanation}
          </Text>
          {action.reason !== 'none' && (
            <Textarea
              label={action.reason === 'required' ? 'Reason' : 'Reason (may be left out)'}
              description="It stays in the audit log."
              required={action.reason === 'required'}
              maxLength={reasonMax}
              autosize={false}
              rows={2}
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
          )}
          <FormEnd
            failure={failure}
            isBusy={isBusy}
            isReady={action.reason !== 'required' || reason.trim() !== ''}
            verb={action.verb}
            isGrave={action.isGrave === true}
            onCancel={onClose}
          />
        </Stack>
      </form>
    </Dialog>
  );
}

/** A button that asks first. */
export function ActionButton({ action }: { readonly action: Action }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <Button
        size="compact-sm"
        variant="default"
        {...(action.fullLabel === undefined ? {} : { 'aria-label': action.fullLabel })}
        onClick={() => setIsOpen(true)}
      >
        {action.label}
      </Button>
      {isOpen && <ActionDialog action={action} onClose={() => setIsOpen(false)} />}
    </>
  );
}
