/** Another role for somebody. */
import { Stack, Text } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { request } from '#api';
import { live } from '../api/live.ts';
import { userSchema, type User } from '../api/people-schemas.ts';
import { useRun } from '../common/use-run.ts';
import { Dialog } from '../common/dialog.tsx';
import { FormEnd } from '../common/form-end.tsx';
import { announce } from '../common/notice.tsx';
import { bodyOfStanding, isWholeStanding, RoleFields, type Standing } from './role-fields.tsx';
import { changeUser } from './user-commands.ts';

/** Another role for somebody. `around` hears of what becomes of the account. */
export function RoleDialog(props: {
  readonly user: User;
  readonly around: (work: () => Promise<User>) => Promise<void>;
  readonly onClose: () => void;
}) {
  const { user, around, onClose } = props;
  const [standing, setStanding] = useState<Standing>({ role: user.role, site: user.site ?? '' });
  const { isBusy, failure, run } = useRun();
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      await around(() =>
        changeUser(user, (path, ifVersion) =>
          request('POST', '/v1/users/{user}/role', userSchema, {
            path,
            body: { ...bodyOfStanding(standing), ifVersion },
          }),
        ),
      );
      await live.look();
      announce(`${user.user} is ${standing.role} now.`);
      onClose();
    });
  };
  return (
    <Dialog title={`Change what ${user.user} may do?`} onClose={onClose}>
      <form onSubmit={submit}>
        <Stack gap="md">
          <Text size="sm">
            Sessions of the account end at once; API tokens can do what the new role can.
          </Text>
          <RoleFields standing={standing} onChange={setStanding} />
          <FormEnd
            failure={failure}
            isBusy={isBusy}
            isReady={isWholeStanding(standing)}
            verb="Change the role"
            onCancel={onClose}
          />
        </Stack>
      </form>
    </Dialog>
  );
}
