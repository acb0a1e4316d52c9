/** A new API token: what it is for, what it may do, how long; its secret is shown once. */
import { Button, Checkbox, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { live } from '../api/live.ts';
import { newTokenSchema } from '../api/people-schemas.ts';
import { useRun } from '../common/use-run.ts';
import { CopyText } from '../common/copy-text.tsx';
import { Dialog, DialogButtons } from '../common/dialog.tsx';
import { FormEnd } from '../common/form-end.tsx';

const scopes = [
  { scope: 'read', text: 'sites, tasks, rounds, versions, adapters, evaluations, operations' },
  { scope: 'tasks', text: 'make and run tasks, ask for evaluations' },
  { scope: 'sites', text: 'invite, approve, suspend, revoke' },
  { scope: 'people', text: 'accounts and tokens; as good as everything' },
  { scope: 'audit', text: 'the audit log' },
  { scope: 'everything', text: 'all of these, backups, draining and webhooks' },
] as const;
type Scope = (typeof scopes)[number]['scope'];

const days = [7, 30, 90, 180, 365];

function Secret(props: { readonly secret: string; readonly onClose: () => void }) {
  return (
    <>
      <Text size="sm">
        Put it where the program reads it. It is kept here as a hash alone and <b>shown only now</b>
        .
      </Text>
      <CopyText name="API token" text={props.secret} />
      <DialogButtons>
        <Button onClick={props.onClose}>I have kept it</Button>
      </DialogButtons>
    </>
  );
}

function Scopes(props: {
  readonly chosen: readonly Scope[];
  readonly onChange: (chosen: readonly Scope[]) => void;
}) {
  const { chosen, onChange } = props;
  return (
    <fieldset className="choice-list">
      <legend>What it may do, as far as you may</legend>
      <Stack gap="xs">
        {scopes.map(({ scope, text }) => (
          <Checkbox
            key={scope}
            label={scope}
            description={text}
            checked={chosen.includes(scope)}
            onChange={(event) =>
              onChange(
                event.currentTarget.checked
                  ? [...chosen, scope]
                  : chosen.filter((each) => each !== scope),
              )
            }
          />
        ))}
      </Stack>
    </fieldset>
  );
}

/** A new API token. */
export function NewTokenDialog({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState<readonly Scope[]>(['read']);
  const [dayCount, setDayCount] = useState(90);
  const [secret, setSecret] = useState<string>();
  const { isBusy, failure, run } = useRun();
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      const body = { name: name.trim(), scopes: chosen, days: dayCount };
      setSecret((await send(request('POST', '/v1/tokens', newTokenSchema, { body }))).secret);
      await live.look();
    });
  };
  return (
    <Dialog title={secret === undefined ? 'Make an API token' : 'The API token'} onClose={onClose}>
      {secret !== undefined ? (
        <Secret secret={secret} onClose={onClose} />
      ) : (
        <form onSubmit={submit}>
          <Stack gap="md">
            <TextInput
              label="What it is for"
              description="Letters, digits, blanks and .:@/-_, e.g. nightly export."
              required
              maxLength={64}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Scopes chosen={chosen} onChange={setChosen} />
            <NativeSelect
              label="It ends after"
              data={days.map((each) => ({ value: String(each), label: `${each} days` }))}
              value={String(dayCount)}
              onChange={(event) => setDayCount(Number(event.currentTarget.value))}
            />
            <FormEnd
              failure={failure}
              isBusy={isBusy}
              isReady={name.trim() !== '' && chosen.length > 0}
              verb="Make the token"
              onCancel={onClose}
            />
          </Stack>
        </form>
      )}
    </Dialog>
  );
}
