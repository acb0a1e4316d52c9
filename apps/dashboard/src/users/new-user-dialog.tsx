/** A new account, with a temporary password that is shown once. */
import { Stack, TextInput } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { live } from '../api/live.ts';
import { newPasswordSchema } from '../api/people-schemas.ts';
import { useRun } from '../common/use-run.ts';
import { Dialog } from '../common/dialog.tsx';
import { FormEnd } from '../common/form-end.tsx';
import { bodyOfStanding, isWholeStanding, RoleFields, type Standing } from './role-fields.tsx';
import { TemporaryPassword } from './temporary-password.tsx';

/** A new account. */
export function NewUserDialog({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [standing, setStanding] = useState<Standing>({ role: 'viewer', site: '' });
  const [password, setPassword] = useState<string>();
  const { isBusy, failure, run } = useRun();
  const user = name.trim().toLowerCase();
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      const body = { user, ...bodyOfStanding(standing) };
      const made = await send(request('POST', '/v1/users', newPasswordSchema, { body }));
      setPassword(made.temporaryPassword ?? '');
      await live.look();
    });
  };
  return (
    <Dialog
      title={password === undefined ? 'Make an account' : `The password of ${user}`}
      onClose={onClose}
    >
      {password !== undefined ? (
        <TemporaryPassword user={user} password={password} onDone={onClose} />
      ) : (
        <form onSubmit={submit}>
          <Stack gap="md">
            <TextInput
              label="Name"
              description="2 to 64 small letters, digits, dots, dashes, underscores or @. It stands in the audit log and cannot be changed."
              autoCapitalize="none"
              autoComplete="off"
              spellCheck={false}
              required
              maxLength={64}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <RoleFields standing={standing} onChange={setStanding} />
            <FormEnd
              failure={failure}
              isBusy={isBusy}
              isReady={user.length >= 2 && isWholeStanding(standing)}
              verb="Make the account"
              onCancel={onClose}
            />
          </Stack>
        </form>
      )}
    </Dialog>
  );
}
