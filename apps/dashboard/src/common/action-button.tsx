/** A button for something that changes the federation: it asks first, in a window that says what will happen. */
import { Button, Stack, Text, Textarea } from '@mantine/core';
import {
  useEffect,
  useState,
  useSyncExternalStore,
  type ReactNode,
  type SyntheticEvent,
} from 'react';
import { live } from '../api/live.ts';
import { addressOf } from '../places.ts';
import { placeNow, usePlace } from '../router.ts';
import { Dialog } from './dialog.tsx';
import { FormEnd } from './form-end.tsx';
import { announce } from './notice.tsx';
import { useRun } from './use-run.ts';

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

/** A question, another object each time that it is asked. */
interface Asked {
  readonly action: Action;
  /** The page that it was asked on: it goes with it. */
  readonly address: string;
}

const listeners = new Set<() => void>();
let asked: Asked | undefined;

function setAsked(next: Asked | undefined): void {
  asked = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function ActionDialog({ question }: { readonly question: Asked }) {
  const { action } = question;
  const onClose = (): void => {
    if (asked === question) setAsked(undefined);
  };
  const [reason, setReason] = useState('');
  const { isBusy, failure, run } = useRun();
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      await action.run(reason.trim());
      await live.look();
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

/**
 * The question that a button asks. It stands apart from the buttons and stays what it was when it was asked: those become
 * others or go as the federation changes, and what is confirmed must be what was read.
 */
export function AskedAction() {
  const question = useSyncExternalStore(subscribe, () => asked);
  const address = addressOf(usePlace());
  useEffect(() => () => setAsked(undefined), [address]);
  return question?.address === address && <ActionDialog question={question} />;
}

/** A button that asks first. */
export function ActionButton({ action }: { readonly action: Action }) {
  return (
    <Button
      size="compact-sm"
      variant="default"
      {...(action.fullLabel === undefined ? {} : { 'aria-label': action.fullLabel })}
      onClick={() => setAsked({ action, address: addressOf(placeNow()) })}
    >
      {action.label}
    </Button>
  );
}
